"""The page asks for the token, and keeps it to itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.conftest import TOKEN
from tests.support.listing import FakeList, agent
from tests.support.nats import NatsServer
from tests.support.visit import Visit
from tests.support.workerd import Workerd

OpenTab = Callable[..., Visit]


@pytest.fixture
def guarded_tab(open_tab: OpenTab, guarded: Workerd) -> Visit:
    """Return a tab with the page of the Worker with a token."""
    tab = open_tab(guarded.url)
    tab.open()
    return tab


def elsewhere(worker: Workerd) -> str:
    """Return the URL of a Worker under a name that is not loopback."""
    return worker.url.replace("127.0.0.1", "worker.example")


def test_a_token_is_asked_for(guarded_tab: Visit) -> None:
    """At once, and before anything else is asked of the Worker."""
    expect(guarded_tab.page.get_by_label("Token of this Worker")).to_be_focused()
    assert [request.url for request in guarded_tab.requests if not request.url.startswith("data:")] == [
        f"{guarded_tab.url}/"
    ]


def test_a_wrong_token_is_said_at_once_and_another_can_be_entered(guarded_tab: Visit) -> None:
    """The field has the focus, and says what is wrong."""
    field = guarded_tab.page.get_by_label("Token of this Worker")
    guarded_tab.log_in("wrong")
    expect(guarded_tab.page.get_by_role("alert")).to_have_text("This is not the token of this Worker.")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    FakeList(guarded_tab, [agent("echo-1")], TOKEN)
    guarded_tab.log_in(TOKEN)
    guarded_tab.expect_sessions("echo-1")
    expect(field).to_be_hidden()
    expect(guarded_tab.page.get_by_role("heading", name="Agents")).to_be_focused()


@pytest.mark.parametrize("text", ["two words", "schlüssel", "tok\u200ben"])
def test_a_token_that_no_header_can_carry_is_not_sent(guarded_tab: Visit, text: str) -> None:
    """It cannot be the Worker's."""
    guarded_tab.log_in(text)
    expect(guarded_tab.page.get_by_role("alert")).to_contain_text("visible ASCII")
    assert not any("/agents" in request.url for request in guarded_tab.requests)


def test_the_token_is_kept_in_the_session_of_the_tab_only(guarded_tab: Visit) -> None:
    """A reload does not ask again, another tab does; no cookie, no other storage, no address has the token."""
    FakeList(guarded_tab, [agent("echo-1")], TOKEN)
    guarded_tab.log_in(TOKEN)
    guarded_tab.expect_sessions("echo-1")
    guarded_tab.page.reload()
    guarded_tab.expect_sessions("echo-1")
    page = guarded_tab.page
    assert page.evaluate("Object.entries(sessionStorage)") == [["orch-cf-agent-token", TOKEN]]
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("indexedDB.databases()") == []
    assert page.evaluate("caches.keys()") == []
    assert page.context.cookies() == []
    assert all(TOKEN not in request.url for request in guarded_tab.requests)
    assert TOKEN not in page.content()
    other = page.context.new_page()
    other.goto(guarded_tab.url)
    expect(other.get_by_label("Token of this Worker")).to_be_focused()


def test_browsers_are_asked_not_to_remember_what_is_typed(guarded_tab: Visit) -> None:
    """A field of this kind is in no history, and its form goes nowhere."""
    field = guarded_tab.page.get_by_label("Token of this Worker")
    expect(field).to_have_attribute("type", "password")
    expect(field).to_have_attribute("autocomplete", "off")
    assert field.get_attribute("name") is None


def test_the_token_can_be_forgotten(guarded_tab: Visit) -> None:
    """With all that it showed."""
    FakeList(guarded_tab, [agent("echo-1")], TOKEN)
    guarded_tab.log_in(TOKEN)
    guarded_tab.page.get_by_role("button", name="Forget token").click()
    expect(guarded_tab.page.get_by_label("Token of this Worker")).to_be_focused()
    assert guarded_tab.page.evaluate("sessionStorage.length") == 0
    assert "echo-1" not in guarded_tab.page.content()


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (403, "forbidden")])
def test_a_token_that_is_no_longer_accepted_is_asked_for_again(guarded_tab: Visit, status: int, code: str) -> None:
    """What it showed is taken away, and an open question with it."""
    fake = FakeList(guarded_tab, [agent("echo-1")], TOKEN)
    guarded_tab.log_in(TOKEN)
    guarded_tab.page.get_by_role("button", name="Stop echo-1").click()
    fake.failure = (status, {"error": code, "message": "it was changed"})
    guarded_tab.wait_for_a_look()
    expect(guarded_tab.page.get_by_label("Token of this Worker")).to_be_focused()
    expect(guarded_tab.page.get_by_role("dialog")).to_be_hidden()
    assert guarded_tab.page.get_by_role("rowheader", include_hidden=True).count() == 0
    assert guarded_tab.page.evaluate("sessionStorage.length") == 0


def test_a_refusal_by_something_in_front_keeps_the_token(guarded_tab: Visit) -> None:
    """A 403 that is not the Worker's says nothing about the token."""
    fake = FakeList(guarded_tab, [agent("echo-1")], TOKEN)
    guarded_tab.log_in(TOKEN)
    fake.failure = (403, {"title": "Access denied"})
    guarded_tab.wait_for_a_look()
    expect(guarded_tab.page.get_by_text("something in front of the Worker answered with status 403")).to_be_visible()
    fake.failure = None
    guarded_tab.wait_for_a_look()
    guarded_tab.expect_sessions("echo-1")


def test_no_token_is_asked_for_where_it_could_be_read_on_its_way(open_tab: OpenTab, guarded: Workerd) -> None:
    """Over plain http, except on a loopback host: the same rule as the executor's."""
    tab = open_tab(elsewhere(guarded))
    tab.open()
    expect(tab.page.get_by_text("open https://worker.example")).to_be_visible()
    expect(tab.page.get_by_label("Token of this Worker")).to_be_hidden()


def test_an_open_worker_asks_for_nothing(tab: Visit) -> None:
    """On a loopback host."""
    FakeList(tab, [agent("echo-1")])
    tab.open()
    tab.expect_sessions("echo-1")
    expect(tab.page.get_by_role("button", name="Forget token")).to_be_hidden()


def test_an_open_worker_elsewhere_says_what_to_do(open_tab: OpenTab, open_worker: Workerd) -> None:
    """And nothing else: a page of any name could read what it shows."""
    tab = open_tab(elsewhere(open_worker))
    tab.open()
    expect(tab.page.get_by_text("set its secret CONTROL_TOKEN")).to_be_visible()
    expect(tab.page.get_by_text("start, list and stop AI agents")).to_be_visible()
    expect(tab.page.get_by_role("table")).to_be_hidden()
    assert [request.url for request in tab.requests if not request.url.startswith("data:")] == [f"{tab.url}/"]


def test_without_javascript_the_page_says_what_the_address_is_for(open_tab: OpenTab, guarded: Workerd) -> None:
    """It does not look broken."""
    tab = open_tab(guarded.url, java_script_enabled=False)
    tab.open()
    expect(tab.page.get_by_text("start, list and stop AI agents")).to_be_visible()
    expect(tab.page.get_by_text("Turn on JavaScript")).to_be_visible()
    expect(tab.page.get_by_role("textbox")).to_have_count(0)
    expect(tab.page.get_by_role("button")).to_have_count(0)


@pytest.fixture
def closed(bus: NatsServer, tmp_path: Path) -> Iterator[Workerd]:
    """Return a Worker with a token that nobody can send."""
    with Workerd(tmp_path, {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": ""}) as server:
        yield server


def test_an_unusable_token_is_reported(open_tab: OpenTab, closed: Workerd) -> None:
    """No token would be right."""
    tab = open_tab(closed.url)
    tab.open()
    expect(tab.page.get_by_text("the Worker's secret CONTROL_TOKEN is empty")).to_be_visible()
    expect(tab.page.get_by_label("Token of this Worker")).to_be_hidden()
