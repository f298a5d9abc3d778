"""The table of agents: what it shows, and that it fits any terminal."""

import re
import sys
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import wcwidth
from hypothesis import example, given
from hypothesis import strategies as st

from exec_cf import table
from exec_cf.messages import AgentList, ListedAgent
from tests.support.fleet import STARTED, STATES, listed, totals
from tests.support.strategies import messages

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
NOW = STARTED + timedelta(hours=5)
COLOUR = re.compile("\x1b\\[[0-9;]*m")
PRINTABLE = "".join(char for char in map(chr, range(sys.maxunicode + 1)) if char.isprintable())


def agent_list(*agents: dict[str, Any]) -> AgentList:
    return msgspec.convert({"agents": agents, "totals": totals(agents)}, AgentList)


def lines(*agents: dict[str, Any], columns: int = 200, coloured: bool = False) -> list[str]:
    text = table.table(agent_list(*agents), NOW, columns, coloured=coloured)
    assert text.endswith("\n")
    return text[:-1].split("\n")


def ago(**since: float) -> str:
    return (NOW - timedelta(**since)).isoformat()


EXAMPLE = (
    listed(
        "lead-engineer",
        agent="claude-code",
        state="busy",
        started_at=ago(minutes=2),
        last_prompt_at=ago(seconds=40),
        answered=7,
        input_tokens=182_400,
        output_tokens=9_450,
    ),
    listed(
        "reviewer",
        owner="bob",
        agent="codex",
        started_at=ago(hours=3.5),
        last_prompt_at=ago(minutes=12),
        answered=41,
        failed=2,
        input_tokens=1_204_999,
        output_tokens=88_000,
    ),
    listed(
        "echo-1",
        state="stopped",
        started_at=ago(hours=5.9),
        last_prompt_at=ago(hours=5.8),
        answered=1,
        cause="it was aborted",
    ),
)


def test_the_table_of_the_readme() -> None:
    [printed] = re.findall(r"<!-- begin table.*?--list\n(.*?)```", README, re.DOTALL)
    assert "\n".join(lines(*EXAMPLE)) + "\n" == printed


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (200, "SESSION OWNER AGENT STATE AGE PROMPTED ANSWERED FAILED IN OUT CAUSE"),
        (94, "SESSION OWNER AGENT STATE AGE PROMPTED ANSWERED FAILED IN OUT"),
        (76, "SESSION OWNER AGENT STATE AGE PROMPTED IN OUT"),
        (55, "SESSION OWNER AGENT STATE AGE"),
        (46, "SESSION OWNER STATE AGE"),
        (35, "SESSION OWNER STATE"),
        (24, "SESSION STATE"),
        (23, "SESSION STATE"),
        (10, "SESSION"),
    ],
)
def test_the_least_important_column_goes_first(columns: int, titles: str) -> None:
    assert lines(*EXAMPLE, columns=columns)[0].split() == titles.split()


def test_a_column_that_would_be_empty_is_left_out() -> None:
    assert lines(listed("a"))[0].split() == ["SESSION", "OWNER", "AGENT", "STATE", "AGE", *_NUMBERS]


_NUMBERS = ["ANSWERED", "FAILED", "IN", "OUT"]


def test_long_texts_are_cut_before_columns_go() -> None:
    agent = listed("s" * 60, owner="o" * 60, cause="c" * 60)
    assert (
        lines(agent, columns=150)[1]
        == f"{'s' * 60}  {'o' * 23}…  echo   ready  5 h         0       0   0    0  {'c' * 15}…"
    )
    assert lines(agent, columns=83)[1] == f"{'s' * 26}…  {'o' * 7}…  echo   ready  5 h         0       0   0    0"


def test_what_is_cut_is_cut_between_characters() -> None:
    assert table.fitted("日本語", 5) == "日本…"
    assert table.fitted("日本語", 4) == "日…"
    assert table.fitted("e\u0301e\u0301e\u0301", 2) == "e\u0301…"
    assert table.fitted("☂\ufe0f☂\ufe0f", 2) == "…"
    assert table.fitted("👍🏽👍🏽", 7) == "👍🏽…"
    assert table.fitted("🇩🇪🇫🇷", 7) == "🇩🇪…"
    assert table.fitted("\u1112\u1161\u11ab\u1100\u1173\u11af", 3) == "\u1112\u1161\u11ab…"
    assert table.fitted("हिन्दी", 2) == "…"
    assert table.fitted("\u0301\u0301a", 1) == "…"
    assert table.fitted("abc", 3) == "abc"
    assert table.fitted("abc", 1) == "…"


@pytest.mark.parametrize(
    "session", ["日本語", "cafe\u0301", "か\u3099き\u3099", "\u1112\u1161\u11ab", "🎉", "\uff46\uff4c", "\x1b"]
)
def test_columns_are_aligned_whatever_is_in_them(session: str) -> None:
    [_, *rows, _] = lines(listed("plain"), listed(session, minutes=1))
    assert {wcwidth.wcswidth(row.partition("  ann  ")[0]) for row in rows} == {len("SESSION")}


def test_the_totals_that_fit_are_in_the_last_line() -> None:
    assert lines(*EXAMPLE, columns=60)[-1] == "3 agents, 2 running, 49 prompts answered, 2 failed"
    assert lines(*EXAMPLE, columns=8)[-1] == "3 agents"
    assert lines(*EXAMPLE, columns=5)[-1] == "3 ag…"
    assert lines(listed("a"))[-1].startswith("1 agent, 1 running, ")


def test_no_agents_are_one_line() -> None:
    assert lines() == ["no agents"]
    assert lines(columns=5) == ["no a…"]


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=59.9), "59 min"),
        (timedelta(hours=3.9), "3 h"),
        (timedelta(hours=47.9), "47 h"),
        (timedelta(hours=48), "2 d"),
        (timedelta.max, "999999999 d"),
    ],
)
def test_an_age_is_readable(since: timedelta, words: str) -> None:
    assert table.age(since) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1299, "1.2k"),
        (9999, "9.9k"),
        (99_999, "99k"),
        (999_999, "999k"),
        (1_000_000, "1M"),
        (2**53 - 1, "9P"),
    ],
)
def test_a_count_is_short_and_never_more_than_it_is(number: int, words: str) -> None:
    assert table.count(number) == words


@pytest.mark.parametrize(
    ("state", "colour"), [("ready", "32"), ("busy", "36"), ("starting", "33"), ("stopped", "2"), ("odd", "")]
)
def test_a_state_has_its_colour_and_nothing_else_has_one(state: str, colour: str) -> None:
    agent = listed("ready", state=state, cause="busy")
    plain, shown = lines(agent), lines(agent, coloured=True)
    wanted = f"\x1b[{colour}m{state}\x1b[0m" if colour else state
    assert shown[1] == re.sub(f"  {state} ", f"  {wanted} ", plain[1])
    assert [shown[0], *shown[2:]] == [plain[0], *plain[2:]]


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "0"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_for_terminals_and_users_that_want_them(environ: dict[str, str], coloured: bool) -> None:
    assert table.is_coloured(environ) is coloured


@pytest.mark.parametrize(
    ("columns", "wanted", "width"),
    [(60, "", 60), (0, "", 80), (60, "100", 100), (0, "7", 7)]
    + [(60, odd, 60) for odd in ("0", "-1", "x", "1e3", " 9", "9" * 6, "٣")],
)
def test_the_width_is_the_terminals_unless_columns_says_otherwise(columns: int, wanted: str, width: int) -> None:
    assert table.width(columns, {"COLUMNS": wanted}) == width


def test_no_character_is_taken_for_narrower_than_terminals_show_it() -> None:
    """The library is what terminals' own tables are compared with, and knows a later Unicode than the interpreter."""
    assert [f"U+{ord(char):04X}" for char in PRINTABLE if wcwidth.wcwidth(char) > table.display_width(char)] == []


def test_few_characters_are_taken_for_wider_than_terminals_show_them() -> None:
    """A mark that takes a column of its own in some terminals only, and Korean's fillers, are the exceptions."""
    wider = [char for char in PRINTABLE if wcwidth.wcwidth(char) < table.display_width(f"a{char}") - 1]
    assert {char for char in wider if unicodedata.category(char) != "Mc"} <= {"\ufe0f", "\u3164", "\uffa0"}


def _is_contained(text: str, columns: int, *, coloured: bool) -> bool:
    return all(
        wcwidth.wcswidth(line) <= columns and table.display_width(line) <= columns and line.isprintable()
        for line in (COLOUR.sub("", line) if coloured else line for line in text[:-1].split("\n"))
    )


WIDE = st.text(
    alphabet="日本é\u0301\u0308\uff57한\u1112\u1161☂\ufe0f👍🏽🇩🇪हिन्दी\u202e\x1b[31m\x9b\n\t\u200da…", max_size=60
)
SHOWN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\U0001171e"), max_size=40)
"""Any text but with a letter that Unicode 14, in older interpreters, takes for a mark without a width."""
AGENTS = st.builds(
    lambda one, session, owner, state, cause: msgspec.structs.replace(
        one, session=session, owner=owner, state=state, cause=cause
    ),
    messages(ListedAgent),
    *(st.one_of(WIDE, SHOWN),) * 2,
    st.one_of(st.sampled_from(STATES), WIDE),
    WIDE,
)


@given(st.lists(AGENTS, max_size=4), st.integers(1, 250), st.booleans())
@example([msgspec.convert(listed("日" * 40), ListedAgent)], 1, False)
@example([msgspec.convert(listed("\u094d1"), ListedAgent)], 1, False)
def test_any_table_fits_any_terminal_and_steers_none(agents: list[ListedAgent], columns: int, coloured: bool) -> None:
    plain = agent_list(*(listed("a") for _ in agents))
    found = AgentList(agents=agents, totals=plain.totals)
    text = table.table(found, NOW, columns, coloured=coloured)
    assert _is_contained(text, columns, coloured=coloured)
    assert text.count("\n") == (len(agents) + 2 if agents else 1)


@given(st.one_of(WIDE, st.text(max_size=80)), st.integers(1, 100))
def test_any_text_is_cut_to_any_width(text: str, columns: int) -> None:
    shown = "".join(filter(str.isprintable, text))
    cut = table.fitted(shown, columns)
    assert table.display_width(cut) <= columns
    assert cut == shown or (cut.endswith("…") and shown.startswith(cut[:-1]))


@given(messages(AgentList), st.integers(1, 250))
def test_any_list_has_a_table(found: AgentList, columns: int) -> None:
    text = table.table(found, datetime(2026, 1, 1, tzinfo=UTC), columns, coloured=False)
    assert all(table.display_width(line) <= columns for line in text.split("\n"))
