"""Who can use the page: by keyboard, with a screen reader, on a phone, in the dark."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.conftest import TOKEN
from tests.support.listing import FakeList, agent
from tests.support.visit import Visit
from tests.support.workerd import WORKER, Workerd

OpenTab = Callable[..., Visit]

AXE = WORKER / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
#: The longest session and owner that a Worker takes, without a place to break them.
LONG = "x" * 255
AGENTS = [
    agent("a", "busy", input_tokens=12_345_678_901, output_tokens=9_876_543_210, answered=12_345, failed=12_345),
    agent("b", "starting", cause=LONG),
    agent(LONG, "ready", owner=LONG),
    agent("d", "stopped", cause="it was aborted", agent="claude-code"),
]


def findings(tab: Visit, within: str = "html") -> list[str]:
    """Return what axe finds wrong with a part of the page, or could not decide on."""
    tab.page.evaluate(AXE.read_text())
    found: dict[str, Any] = tab.page.evaluate("(within) => axe.run(within)", within)
    faults = [*found["violations"], *found["incomplete"]]
    return [f"{fault['id']}: {node['html']}" for fault in faults for node in fault["nodes"]]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["360", "1280"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
class TestAppearances:
    """On a phone and on a desk, in light and in dark."""

    def test_axe_finds_nothing(self, open_tab: OpenTab, guarded: Workerd, size: dict[str, int], scheme: str) -> None:
        """In any view: the form, a refused token, the table, the dialog, an error."""
        # The page's policy forbids the script of axe; in a window as high as the page, no message covers the table.
        viewport = {**size, "height": 4000}
        tab = open_tab(guarded.url, viewport=viewport, color_scheme=scheme, bypass_csp=True)
        # Axe waits for timers of its own.
        tab.page.clock.resume()
        tab.open()
        assert findings(tab) == []
        tab.log_in("two words")
        expect(tab.page.get_by_role("alert")).not_to_have_text("")
        assert findings(tab) == []
        fake = FakeList(tab, AGENTS, TOKEN)
        tab.log_in(TOKEN)
        tab.expect_sessions("a", "b", LONG, "d")
        assert findings(tab) == []
        tab.page.get_by_role("button", name="Stop b").click()
        expect(tab.page.get_by_role("dialog")).to_be_visible()
        assert findings(tab) == []
        tab.page.keyboard.press("Escape")
        fake.failure = (500, {"error": "internal", "message": "an unexpected error occurred"})
        tab.wait_for_a_look()
        expect(tab.page.get_by_text("Cannot update")).to_be_visible()
        assert findings(tab) == []
        fake.failure = None
        fake.agents = [agent(f"e-{i}") for i in range(101)]
        tab.wait_for_a_look()
        expect(tab.page.get_by_role("button", name="Show all")).to_be_visible()
        assert findings(tab, "#more") == []

    def test_the_page_does_not_scroll_sideways(
        self, open_tab: OpenTab, open_worker: Workerd, size: dict[str, int], scheme: str
    ) -> None:
        """Whatever it shows."""
        tab = open_tab(open_worker.url, viewport=size, color_scheme=scheme)
        FakeList(tab, AGENTS)
        tab.open()
        expect(tab.page.get_by_role("rowheader")).to_have_count(4)
        assert tab.page.evaluate("document.documentElement.scrollWidth") == size["width"]
        tab.page.get_by_role("button", name=f"Stop {LONG}").click()
        box = tab.page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]


def test_the_colours_follow_the_system(open_tab: OpenTab, open_worker: Workerd) -> None:
    """Light and dark differ."""
    back = "getComputedStyle(document.documentElement).backgroundColor"
    colours = set()
    for scheme in ["light", "dark"]:
        tab = open_tab(open_worker.url, color_scheme=scheme)
        tab.open()
        colours.add(tab.page.evaluate(back))
    assert len(colours) == 2


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["360", "1280"])
def test_a_screen_reader_finds_a_table(open_tab: OpenTab, open_worker: Workerd, size: dict[str, int]) -> None:
    """Also where its rows look like cards."""
    tab = open_tab(open_worker.url, viewport=size)
    FakeList(tab, [agent("echo-1")])
    tab.open()
    expect(tab.page.get_by_role("table", name="Agents")).to_match_aria_snapshot("""
      - table "Agents":
        - rowgroup:
          - row:
            - columnheader "Session"
            - columnheader "Owner"
            - columnheader "Harness"
            - columnheader "State"
            - columnheader "Started"
            - columnheader "Last prompt"
            - columnheader "Answered"
            - columnheader "Failed"
            - columnheader "Tokens in"
            - columnheader "Tokens out"
        - rowgroup:
          - row:
            - rowheader "echo-1"
            - cell
            - cell
            - cell
            - cell
            - cell
            - cell
            - cell
            - cell
            - cell
            - cell "Stop echo-1"
    """)


def test_the_keyboard_is_enough(open_tab: OpenTab, guarded: Workerd) -> None:
    """From the token to the end of an agent."""
    tab = open_tab(guarded.url)
    fake = FakeList(tab, [agent("a"), agent("b", "busy")], TOKEN)
    tab.open()
    keyboard = tab.page.keyboard
    keyboard.type(TOKEN)
    keyboard.press("Enter")
    tab.expect_sessions("a", "b")
    reach(tab, "Search")
    keyboard.type("b")
    tab.expect_sessions("b")
    reach(tab, "State")
    keyboard.type("busy")
    tab.expect_sessions("b")
    reach(tab, "Session")
    keyboard.press("Space")
    expect(tab.page.get_by_role("columnheader", name="Session")).to_have_attribute("aria-sort", "ascending")
    reach(tab, "Stop b")
    keyboard.press("Enter")
    keyboard.press("Tab")
    expect(tab.page.get_by_role("button", name="Stop agent")).to_be_focused()
    fake.agents = [agent("a"), agent("b", "stopped", cause="it was aborted")]
    keyboard.press("Enter")
    expect(tab.page.locator("#said")).to_have_text("b was not running")
    expect(tab.page.get_by_role("button", name="Stop b")).to_be_focused()


def reach(tab: Visit, name: str) -> None:
    """Press Tab until the control of this name has the focus, and see that it shows that it has."""
    control = tab.page.get_by_role("button", name=name, exact=True).or_(tab.page.get_by_label(name, exact=True))
    for _ in range(30):
        tab.page.keyboard.press("Tab")
        if control.evaluate("(element) => element === document.activeElement"):
            assert control.evaluate("(element) => getComputedStyle(element).outlineStyle") == "solid"
            return
    raise AssertionError(f"{name} cannot be reached")
