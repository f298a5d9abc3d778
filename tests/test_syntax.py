"""PyYAML's parser with bounds, and with the white space of YAML 1.2."""

import pytest
from yaml.events import ScalarEvent, StreamEndEvent

from exec_cf.syntax import FORBIDDEN, Events, TooManyTokens


def scalars(text: str, token_limit: int = 1000) -> list[str]:
    events = Events(text, token_limit)
    found = []
    while not isinstance(event := events.take(), StreamEndEvent):
        if isinstance(event, ScalarEvent):
            found.append(event.value)
    return found


@pytest.mark.parametrize(
    "text",
    ["a:\tb", "a: b\t", "a: b\t# c", "{\ta: b\t,\t}", "{a: b\n\t}", "a:\t\n  b", "a: b\n# c\t\n"],
)
def test_a_tab_may_separate(text: str) -> None:
    assert scalars(text) == ["a", "b"]


@pytest.mark.parametrize("text", ["\ta: b", "a:\n\tb: c", "- a\n-\t- b\n\t- c"])
def test_a_tab_may_not_indent(text: str) -> None:
    with pytest.raises(Exception, match=r"\\t|tab|expected|mapping values"):
        scalars(text)


def test_ahead_looks_and_take_moves() -> None:
    events = Events("a", 1000)
    assert events.ahead() is events.take()
    assert events.ahead() is events.ahead()


def test_the_tokens_are_bounded() -> None:
    with pytest.raises(TooManyTokens):
        scalars("[a, b, c]", 5)


def test_a_comment_as_long_as_the_input_is_one_step() -> None:
    assert scalars("a: b #" + "x" * 100_000, 20) == ["a", "b"]


@pytest.mark.parametrize("char", ["\0", "\x07", "\x1b", "\x7f", "\x9b", "\ud800", "\ufffe", "\uffff"])
def test_what_yaml_forbids(char: str) -> None:
    assert FORBIDDEN.search(f"a{char}")


@pytest.mark.parametrize("char", ["\t", "\n", "\r", "\x85", " ", "ü", "\u2028", "😀"])
def test_what_yaml_allows(char: str) -> None:
    assert not FORBIDDEN.search(f"a{char}")
