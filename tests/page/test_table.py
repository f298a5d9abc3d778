"""The table of agents: what it shows, how it changes, and what it never does."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, expect

from tests.support.listing import PAGE_AGENTS, FakeList, agent, time
from tests.support.visit import Visit

#: What stands where there is no time.
NOTHING = "\N{EN DASH}"


def ago(**units: float) -> str:
    """Return when that was: minutes may pass between the import of this module and a test."""
    return time(datetime.now(UTC) - timedelta(**units))


def crowd(number: int) -> list[dict[str, object]]:
    """Return agents that started one after the other, newest first."""
    return [agent(f"agent-{i}", started_at=ago(minutes=i), answered=i) for i in range(number)]


def cells(row: Locator) -> list[str]:
    """Return the texts of a row."""
    return [text.strip() for text in row.get_by_role("cell").all_inner_texts()]


class TestRows:
    """One for each agent."""

    def test_an_agent_is_shown_with_all_that_is_known_of_it(self, tab: Visit) -> None:
        """Numbers as a person writes them, times as how long ago they were."""
        busy = agent(
            "lead-engineer",
            "busy",
            owner="ann",
            agent="claude-code",
            started_at=ago(hours=3, minutes=59),
            last_prompt_at=ago(seconds=5),
            answered=12,
            failed=1,
            input_tokens=1234567,
            output_tokens=40112,
        )
        FakeList(tab, [busy])
        tab.open()
        tab.expect_sessions("lead-engineer")
        assert cells(tab.row("lead-engineer")) == [
            "ann", "claude-code", "busy", "3 h ago", "just now", "12", "1", "1,234,567", "40,112", "Stop",
        ]  # fmt: skip

    def test_an_agent_that_stopped_says_why_and_when(self, tab: Visit) -> None:
        """And it cannot be stopped again."""
        stopped = agent("echo-1", "stopped", cause="it was aborted", stopped_at=ago(minutes=5))
        FakeList(tab, [stopped])
        tab.open()
        expect(tab.row("echo-1")).to_contain_text("5 min ago: it was aborted")
        assert cells(tab.row("echo-1"))[4] == NOTHING
        expect(tab.row("echo-1").get_by_role("button")).to_have_count(0)

    def test_an_agent_that_is_not_on_the_bus_says_why(self, tab: Visit) -> None:
        """While it still tries."""
        FakeList(tab, [agent("echo-1", "starting", cause="the bus cannot be reached")])
        tab.open()
        expect(tab.row("echo-1")).to_contain_text("the bus cannot be reached")

    def test_without_agents_the_page_says_so(self, tab: Visit) -> None:
        """It is not broken."""
        FakeList(tab, [])
        tab.open()
        expect(tab.page.get_by_text("No agents yet")).to_be_visible()

    def test_the_totals_are_those_of_all_pages(self, tab: Visit) -> None:
        """As the Worker counts them."""
        FakeList(tab, [*crowd(150), agent("last", "stopped", failed=3, input_tokens=5000, output_tokens=7)])
        tab.open()
        for name, number in {
            "Running": "150",
            "Stopped": "1",
            "Answered": "11,175",
            "Failed": "3",
            "Tokens in": "5,000",
            "Tokens out": "7",
        }.items():
            term = tab.page.get_by_role("term").filter(has_text=name)
            expect(term.locator("xpath=following-sibling::dd")).to_have_text(number)


class TestChanges:
    """The table follows the agents, and leaves the user alone."""

    def test_what_changes_is_shown(self, tab: Visit) -> None:
        """A new agent, other numbers, and one that is gone."""
        fake = FakeList(tab, [agent("b"), agent("a")])
        tab.open()
        tab.expect_sessions("b", "a")
        fake.agents = [agent("c", started_at=ago()), agent("b", "busy", answered=2)]
        tab.wait_for_a_look()
        tab.expect_sessions("c", "b")
        assert cells(tab.row("b"))[2:6] == ["busy", "1 h ago", NOTHING, "2"]

    def test_a_change_moves_neither_focus_nor_selection(self, tab: Visit) -> None:
        """Rows come, go and change places around the one that has the focus."""
        fake = FakeList(tab, [agent(name, answered=i) for i, name in enumerate("abc")])
        tab.open()
        tab.page.get_by_role("button", name="Answered").click()
        tab.expect_sessions("c", "b", "a")
        button = tab.page.get_by_role("button", name="Stop b")
        button.focus()
        tab.page.evaluate("document.activeElement.addEventListener('blur', () => console.error('focus lost'))")
        tab.page.evaluate("getSelection().selectAllChildren(document.activeElement.closest('tr').cells[1])")
        for numbers in [{"a": 3, "b": 2, "c": 1}, {"b": 9, "d": 5, "c": 1}, {"e": 4, "b": 0}]:
            fake.agents = [agent(name, answered=number) for name, number in numbers.items()]
            tab.wait_for_a_look()
            tab.expect_sessions(*sorted(numbers, key=lambda name: -numbers[name]))
            expect(button).to_be_focused()
            assert tab.page.evaluate("getSelection().toString()").strip() == "ann"

    def test_a_row_with_the_focus_stays_until_the_focus_leaves_it(self, tab: Visit) -> None:
        """Also when its agent is no longer listed."""
        fake = FakeList(tab, [agent("a"), agent("b"), agent("c")])
        tab.open()
        tab.page.get_by_role("button", name="Stop b").focus()
        fake.agents = [agent("a"), agent("c")]
        tab.wait_for_a_look()
        expect(tab.page.get_by_role("button", name="Stop b")).to_be_focused()
        tab.expect_sessions("a", "b", "c")
        tab.page.get_by_label("Search").focus()
        tab.wait_for_a_look()
        tab.expect_sessions("a", "c")

    def test_a_stop_button_with_the_focus_stays_when_its_agent_stops(self, tab: Visit) -> None:
        """It just does nothing any more."""
        fake = FakeList(tab, [agent("a")])
        tab.open()
        button = tab.page.get_by_role("button", name="Stop a")
        button.focus()
        fake.agents = [agent("a", "stopped", cause="it was aborted")]
        tab.wait_for_a_look()
        expect(tab.row("a")).to_contain_text("it was aborted")
        expect(button).to_be_focused()
        expect(button).to_have_attribute("aria-disabled", "true")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("dialog")).to_be_hidden()

    def test_a_screen_reader_is_not_told_of_every_change(self, tab: Visit) -> None:
        """The live regions stay silent while the data changes."""
        fake = FakeList(tab, [agent("a")])
        tab.open()
        tab.expect_sessions("a")
        tab.page.evaluate("""
          for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
            const tell = () => console.error("told", region.textContent);
            new MutationObserver(tell).observe(region, { childList: true, characterData: true, subtree: true });
          }
        """)
        for number in range(3):
            fake.agents = [agent(f"a{i}", answered=number) for i in range(number + 1)]
            tab.wait_for_a_look()
            tab.expect_sessions(*(f"a{i}" for i in range(number + 1)))

    def test_nothing_is_asked_while_the_tab_is_hidden(self, tab: Visit) -> None:
        """And at once when it is seen again."""
        fake = FakeList(tab, [agent("a")])
        tab.open()
        tab.expect_sessions("a")
        set_hidden(tab, is_hidden=True)
        asked = len(fake.queries)
        tab.let_time_pass(3_600_000)
        assert len(fake.queries) == asked
        fake.agents = [agent("b")]
        set_hidden(tab, is_hidden=False)
        tab.expect_sessions("b")

    def test_an_error_is_shown_until_it_is_over(self, tab: Visit) -> None:
        """The last agents stay on the page."""
        fake = FakeList(tab, [agent("a")])
        tab.open()
        tab.expect_sessions("a")
        fake.failure = (500, {"error": "internal", "message": "an unexpected error occurred"})
        tab.wait_for_a_look()
        problem = tab.page.get_by_text("Cannot update, trying again: an unexpected error occurred")
        expect(problem).to_be_visible()
        tab.expect_sessions("a")
        fake.failure = None
        tab.wait_for_a_look()
        expect(problem).to_be_hidden()

    def test_a_worker_with_errors_is_asked_less_often(self, tab: Visit) -> None:
        """After each error half as often as before."""
        fake = FakeList(tab, [agent("a")])
        tab.open()
        tab.expect_sessions("a")
        fake.failure = (500, {"error": "internal", "message": "an unexpected error occurred"})
        tab.let_time_pass(5_000)
        for wait_ms in [10_000, 20_000]:
            asked = len(fake.queries)
            tab.let_time_pass(wait_ms - 1_000)
            assert len(fake.queries) == asked
            tab.let_time_pass(1_000)
            assert len(fake.queries) == asked + 1

    def test_a_worker_that_does_not_answer_is_named(self, tab: Visit) -> None:
        """Nothing else is known."""
        FakeList(tab, [agent("a")])
        tab.open()
        tab.expect_sessions("a")
        tab.page.route("**/agents?*", lambda route: route.abort())
        tab.page.clock.fast_forward(6_000)
        expect(tab.page.get_by_text("the Worker did not answer")).to_be_visible()


def set_hidden(tab: Visit, *, is_hidden: bool) -> None:
    """Do what the browser does when the tab is hidden or shown; without a window, none ever is."""
    tab.page.evaluate(
        """(isHidden) => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


class TestOrder:
    """The table is sorted by one of its columns."""

    def test_the_newest_come_first(self, tab: Visit) -> None:
        """At the beginning."""
        FakeList(tab, crowd(3))
        tab.open()
        tab.expect_sessions("agent-0", "agent-1", "agent-2")
        expect(heading(tab, "Started")).to_have_attribute("aria-sort", "descending")
        expect(heading(tab, "Session")).to_have_attribute("aria-sort", "none")

    def test_a_heading_sorts_by_its_column_and_then_the_other_way_round(self, tab: Visit) -> None:
        """Numbers begin with the largest, texts with the first of the alphabet."""
        agents = [agent("a10", answered=2), agent("b", answered=10), agent("a9", answered=1)]
        FakeList(tab, agents)
        tab.open()
        for name, direction, order in [
            ("Session", "ascending", ["a9", "a10", "b"]),
            ("Session", "descending", ["b", "a10", "a9"]),
            ("Answered", "descending", ["b", "a10", "a9"]),
            ("Answered", "ascending", ["a9", "a10", "b"]),
        ]:
            heading(tab, name).get_by_role("button").click()
            tab.expect_sessions(*order)
            expect(heading(tab, name)).to_have_attribute("aria-sort", direction)
        expect(tab.page.locator("[aria-sort=ascending], [aria-sort=descending]")).to_have_count(1)

    def test_agents_that_were_never_prompted_come_last(self, tab: Visit) -> None:
        """After those that were prompted long ago."""
        FakeList(tab, [agent("never"), agent("long-ago", last_prompt_at=ago(hours=9))])
        tab.open()
        heading(tab, "Last prompt").get_by_role("button").click()
        tab.expect_sessions("long-ago", "never")

    def test_the_order_stays_when_the_data_changes(self, tab: Visit) -> None:
        """The user chose it."""
        fake = FakeList(tab, [agent("a", failed=1), agent("b", failed=2)])
        tab.open()
        heading(tab, "Failed").get_by_role("button").click()
        tab.expect_sessions("b", "a")
        fake.agents = [agent("a", failed=3), agent("b", failed=2)]
        tab.wait_for_a_look()
        tab.expect_sessions("a", "b")


def heading(tab: Visit, name: str) -> Locator:
    """Return the heading of a column."""
    return tab.page.get_by_role("columnheader", name=name)


class TestFilters:
    """What is not wanted is not shown."""

    def test_the_search_finds_every_word_in_what_is_shown(self, tab: Visit) -> None:
        """In any case, without asking the Worker again."""
        fake = FakeList(
            tab,
            [
                agent("web-1", owner="ann"),
                agent("web-2", owner="bob"),
                agent("db", "stopped", owner="Ann", cause="it was Aborted"),
            ],
        )
        tab.open()
        tab.expect_sessions("web-1", "web-2", "db")
        asked = len(fake.queries)
        search = tab.page.get_by_label("Search")
        for text, found in [
            ("WEB", ["web-1", "web-2"]),
            ("ann web", ["web-1"]),
            ("aborted", ["db"]),
            ("  ", ["web-1", "web-2", "db"]),
        ]:
            search.fill(text)
            tab.expect_sessions(*found)
        assert len(fake.queries) == asked

    def test_how_many_match_is_said_once_the_user_stops_typing(self, tab: Visit) -> None:
        """To screen readers; others see it."""
        FakeList(tab, [agent("web-1"), agent("web-2"), agent("db")])
        tab.open()
        tab.page.get_by_label("Search").fill("web")
        expect(tab.page.locator("#summary")).to_have_text("2 of 3 agents match")
        expect(tab.page.locator("#said")).to_have_text("")
        tab.page.clock.fast_forward(1_000)
        expect(tab.page.locator("#said")).to_have_text("2 of 3 agents match")

    def test_owner_and_state_are_chosen_from_lists(self, tab: Visit) -> None:
        """The Worker filters, so that totals and pages are right."""
        fake = FakeList(
            tab, [agent("a", owner="ann"), agent("b", "busy", owner="bob"), agent("c", "busy", owner="ann")]
        )
        tab.open()
        owner, state = tab.page.get_by_label("Owner"), tab.page.get_by_label("State")
        expect(owner.get_by_role("option")).to_have_text(["All", "ann", "bob"])
        owner.select_option("ann")
        tab.expect_sessions("a", "c")
        state.select_option("busy")
        tab.expect_sessions("c")
        assert fake.queries[-1] == {"owner": "ann", "state": "busy"}
        expect(tab.page.locator("#said")).to_have_text("1 agent")
        owner.select_option("bob")
        tab.expect_sessions("b")
        state.select_option("starting")
        expect(tab.page.locator("#summary")).to_have_text("No agent matches")
        owner.select_option("All")
        state.select_option("All")
        tab.expect_sessions("a", "b", "c")
        assert fake.queries[-1] == {}


class TestPages:
    """A thousand agents come in pages of a hundred."""

    def test_more_are_shown_on_demand(self, tab: Visit) -> None:
        """A hundred at a time, and they stay when the page looks again."""
        FakeList(tab, crowd(250))
        tab.open()
        rows = tab.page.get_by_role("rowheader")
        expect(rows).to_have_count(PAGE_AGENTS)
        expect(tab.page.locator("#summary")).to_have_text("Sorting and searching only the newest 100 of 250 agents")
        tab.page.get_by_role("button", name="Show more").click()
        expect(rows).to_have_count(2 * PAGE_AGENTS)
        tab.wait_for_a_look()
        expect(rows).to_have_count(2 * PAGE_AGENTS)
        tab.page.get_by_role("button", name="Show more").click()
        expect(rows).to_have_count(250)
        expect(tab.page.get_by_role("button", name="Show")).to_have_count(0)
        expect(tab.page.locator("#summary")).to_be_focused()
        expect(tab.page.locator("#summary")).to_have_text("250 agents")

    def test_a_thousand_agents_can_be_shown_sorted_and_searched(self, tab: Visit) -> None:
        """All at once."""
        FakeList(tab, crowd(1000))
        tab.open()
        tab.page.get_by_role("button", name="Show all").click()
        rows = tab.page.locator("tbody tr")
        expect(rows).to_have_count(1000)
        heading(tab, "Answered").get_by_role("button").click()
        expect(rows.first).to_contain_text("agent-999")
        tab.page.get_by_label("Search").fill("agent-50")
        expect(rows).to_have_count(11)

    def test_many_pages_are_asked_for_less_often(self, tab: Visit) -> None:
        """So that a tab costs the Worker a request in five seconds, however many agents it shows."""
        fake = FakeList(tab, crowd(1000))
        tab.open()
        tab.page.get_by_role("button", name="Show all").click()
        rows = tab.page.locator("tbody tr")
        expect(rows).to_have_count(1000)
        asked = len(fake.queries)
        tab.let_time_pass(40_000)
        assert len(fake.queries) == asked
        fake.agents = crowd(999)
        tab.page.clock.fast_forward(20_000)
        expect(rows).to_have_count(999)


MARKUP = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("state", ["starting", "stopped"])
def test_nothing_that_an_agent_says_becomes_markup(tab: Visit, state: str) -> None:
    """It is text, in every place where it is shown."""
    hostile = agent(MARKUP, state, owner=f"{MARKUP}</td>", agent=f"</script>{MARKUP}", cause=f"&lt;{MARKUP}")
    FakeList(tab, [hostile, agent("next")])
    tab.open()
    tab.expect_sessions(MARKUP, "next")
    expect(tab.row(MARKUP)).to_contain_text(f"&lt;{MARKUP}")
    expect(tab.page.get_by_label("Owner").get_by_role("option").nth(1)).to_have_text(f"{MARKUP}</td>")
    assert tab.page.locator("img, main script").count() == 0
