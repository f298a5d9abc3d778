"""The page and the Worker together, with agents on a bus; the other modules put a list of their own in between."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import TOKEN
from tests.support.caller import Caller
from tests.support.listing import check_listing
from tests.support.nats import NatsServer
from tests.support.visit import Visit
from tests.support.workerd import Workerd

OpenTab = Callable[..., Visit]

LIMIT_S = 60.0
MARKUP = "<img/src=x/onerror=alert(1)//"


@pytest.fixture
def http(guarded: Workerd) -> Iterator[httpx.Client]:
    """Return a client with the token."""
    with guarded.client(TOKEN) as client:
        yield client
        client.post("/control/abort").raise_for_status()


def start(http: httpx.Client, session: str, **settings: object) -> str:
    """Start an agent, and return where it is prompted."""
    response = http.post(f"/agent/{session}", json={"owner": "ann", **settings})
    assert response.status_code == 201, response.text
    subject: str = response.json()["subjects"]["prompt"]
    return subject


def prompt(bus: NatsServer, subject: str) -> None:
    """Prompt an agent, and wait for the end of its answer: in a thread, since this one's loop is the browser's."""

    async def answered() -> None:
        async with Caller.connected(bus.url) as caller:
            await caller.prompt(subject, b"hello")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, answered()).result()


def look_until(tab: Visit, locator: Locator, text: str) -> None:
    """Let the page look again until it shows a text: the Worker's list is at most ten seconds old."""
    deadline = time.monotonic() + LIMIT_S
    while text not in (locator.inner_text() if locator.count() else ""):
        assert time.monotonic() < deadline, f"{text} is not shown"
        tab.wait_for_a_look()


def test_an_agent_is_seen_from_start_to_stop(
    open_tab: OpenTab, guarded: Workerd, bus: NatsServer, http: httpx.Client
) -> None:
    """It appears, counts its prompts, and is stopped on the page."""
    tab = open_tab(guarded.url)
    tab.open()
    tab.log_in("a-wrong-token")
    expect(tab.page.get_by_role("alert")).to_have_text("This is not the token of this Worker.")
    tab.log_in(TOKEN)
    expect(tab.page.get_by_role("table", name="Agents")).to_be_visible()
    subject = start(http, "echo-1")
    look_until(tab, tab.row("echo-1"), "ready")
    prompt(bus, subject)
    answered = tab.row("echo-1").get_by_role("cell").nth(5)
    look_until(tab, answered, "1")
    tab.page.get_by_role("button", name="Stop echo-1").click()
    tab.page.get_by_role("button", name="Cancel").click()
    assert http.get("/agent/echo-1").json()["state"] == "ready"
    tab.page.get_by_role("button", name="Stop echo-1").click()
    tab.page.get_by_role("button", name="Stop agent").click()
    expect(tab.page.locator("#said")).to_have_text("Stopped echo-1")
    assert http.get("/agent/echo-1").json()["state"] == "stopped"
    expect(tab.row("echo-1")).to_contain_text("it was aborted")


def test_the_filters_are_the_workers(open_tab: OpenTab, guarded: Workerd, http: httpx.Client) -> None:
    """It understands what the page asks for."""
    start(http, "web")
    start(http, "db", owner="bob")
    tab = open_tab(guarded.url)
    tab.open()
    tab.log_in(TOKEN)
    look_until(tab, tab.row("web"), "ready")
    tab.page.get_by_label("Owner").select_option("bob")
    tab.expect_sessions("db")
    tab.page.get_by_label("State").select_option("stopped")
    expect(tab.row("db")).to_have_count(0)


def test_what_a_start_says_does_not_become_markup(open_tab: OpenTab, guarded: Workerd, http: httpx.Client) -> None:
    """Neither what is shown, its session and owner, nor what is not: its labels and description."""
    hostile = "<img src=x onerror=alert(1)>"
    start(http, MARKUP.replace("/", "%2F"), owner=MARKUP, labels={hostile: hostile}, description=hostile, name=hostile)
    tab = open_tab(guarded.url)
    tab.open()
    tab.log_in(TOKEN)
    look_until(tab, tab.row(MARKUP), "ready")
    assert tab.page.locator("img").count() == 0
    tab.page.get_by_role("button", name=f"Stop {MARKUP}").click()
    tab.page.get_by_role("button", name="Stop agent").click()
    expect(tab.page.locator("#said")).to_have_text(f"Stopped {MARKUP}")


def test_pages_of_a_worker_with_many_agents(open_tab: OpenTab, guarded: Workerd, http: httpx.Client) -> None:
    """More than a hundred, which the page gets by the Worker's own cursors."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: start(http, f"many-{number}", owner="many"), range(120)))
    tab = open_tab(guarded.url)
    tab.open()
    tab.log_in(TOKEN)
    expect(tab.page.get_by_role("rowheader")).to_have_count(100)
    tab.page.get_by_label("Owner").select_option("many")
    expect(tab.page.locator("#summary")).to_contain_text("100 of 120 agents")
    tab.page.get_by_role("button", name="Show more").click()
    expect(tab.page.get_by_role("rowheader")).to_have_count(120)


def test_a_worker_on_this_machine_needs_no_token(open_tab: OpenTab, open_worker: Workerd) -> None:
    """Its page may look and stop: it is of the same origin, on a loopback address."""
    with open_worker.client() as client:
        start(client, "local")
    tab = open_tab(open_worker.url)
    tab.open()
    look_until(tab, tab.row("local"), "ready")
    tab.page.get_by_role("button", name="Stop local").click()
    tab.page.get_by_role("button", name="Stop agent").click()
    expect(tab.page.locator("#said")).to_have_text("Stopped local")


def test_the_list_that_other_tests_put_in_its_place_is_like_the_workers(http: httpx.Client) -> None:
    """In every state that can be brought about."""
    start(http, "one")
    start(http, "two")
    http.post("/control/abort/two")
    listing = http.get("/agents").json()
    assert {agent["state"] for agent in listing["agents"]} >= {"stopped"}
    check_listing(listing)
