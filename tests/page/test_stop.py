"""Stopping an agent: nothing happens before the user has confirmed."""

from playwright.sync_api import Locator, Route, expect

from tests.support.listing import FakeList, agent
from tests.support.visit import Visit


def ask(tab: Visit, session: str) -> Locator:
    """Click on a stop button, and return the dialog."""
    tab.page.get_by_role("button", name=f"Stop {session}", exact=True).click()
    dialog = tab.page.get_by_role("dialog", name=f"Stop {session}?", exact=True)
    expect(dialog).to_be_visible()
    return dialog


def aborts(tab: Visit) -> list[str]:
    """Return the paths of the requests that stop something."""
    return [request.url.removeprefix(tab.url) for request in tab.requests if request.method != "GET"]


def test_the_dialog_says_what_would_be_lost_and_can_be_cancelled(tab: Visit) -> None:
    """With the button that it begins with, or Escape; the focus goes back."""
    FakeList(tab, [agent("a"), agent("b")])
    tab.open()
    for key in ["Enter", "Escape", None]:
        dialog = ask(tab, "b")
        expect(dialog).to_contain_text("forgets its conversation")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        if key is None:
            dialog.get_by_role("button", name="Cancel").click()
        else:
            tab.page.keyboard.press(key)
        expect(dialog).to_be_hidden()
        expect(tab.page.get_by_role("button", name="Stop b")).to_be_focused()
    assert aborts(tab) == []


def test_a_change_of_the_data_does_not_touch_the_dialog(tab: Visit) -> None:
    """It asks about the same agent, and what has the focus keeps it."""
    fake = FakeList(tab, [agent("a"), agent("b")])
    tab.open()
    dialog = ask(tab, "b")
    stop = dialog.get_by_role("button", name="Stop agent")
    stop.focus()
    for agents in [[agent("c"), agent("b", "busy")], [agent("b", "stopped", cause="it was aborted"), agent("c")], []]:
        fake.agents = agents
        tab.wait_for_a_look()
        expect(dialog).to_be_visible()
        expect(stop).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator("tbody button")).to_be_focused()


def test_a_failure_is_shown_in_the_dialog_and_can_be_tried_again(tab: Visit) -> None:
    """The agent still runs."""
    FakeList(tab, [agent("a")])
    tab.page.route(
        "**/control/abort/a",
        lambda route: route.fulfill(status=503, json={"error": "bus_unavailable", "message": "the bus is away"}),
        times=1,
    )
    tab.open()
    dialog = ask(tab, "a")
    dialog.get_by_role("button", name="Stop agent").click()
    expect(dialog.get_by_role("alert")).to_have_text("a was not stopped: the bus is away")
    dialog.get_by_role("button", name="Stop agent").click()
    expect(dialog).to_be_hidden()
    expect(tab.page.locator("#said")).to_have_text("a was not running")
    dialog = ask(tab, "a")
    expect(dialog.get_by_role("alert")).to_have_text("")


def test_an_impatient_user_stops_an_agent_once(tab: Visit) -> None:
    """Clicks while the Worker is at it do nothing."""
    FakeList(tab, [agent("a")])
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    tab.page.route("**/control/abort/a", hold)
    tab.open()
    dialog = ask(tab, "a")
    dialog.get_by_role("button", name="Stop agent").click()
    dialog.get_by_role("button", name="Stopping…").click()
    assert len(waiting) == 1
    waiting[0].fulfill(json={"stopped": ["a"]})
    expect(dialog).to_be_hidden()
    expect(tab.page.locator("#said")).to_have_text("Stopped a")


def test_any_session_reaches_its_own_route(tab: Visit) -> None:
    """Also one whose name means something in a URL."""
    FakeList(tab, [agent("a/b?c#ü%")])
    tab.open()
    ask(tab, "a/b?c#ü%").get_by_role("button", name="Stop agent").click()
    expect(tab.page.locator("#said")).to_have_text("a/b?c#ü% was not running")
    assert aborts(tab) == ["/control/abort/a%2Fb%3Fc%23%C3%BC%25"]


def test_what_happened_is_seen_wherever_the_user_is(tab: Visit) -> None:
    """At the end of a long table, and for a while only."""
    FakeList(tab, [agent(f"agent-{number}") for number in range(60)])
    tab.open()
    ask(tab, "agent-59").get_by_role("button", name="Stop agent").click()
    said = tab.page.get_by_text("agent-59 was not running")
    expect(said).to_be_in_viewport()
    tab.page.clock.fast_forward(20_000)
    expect(said).to_be_hidden()
