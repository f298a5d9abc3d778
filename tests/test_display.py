"""Text from outside, fit to be shown."""

import shlex

import pytest

from exec_cf.display import first_few, listed, printable, quoted, quoted_url, shell_word, truncated


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("as it is, ü☺", "as it is, ü☺"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\r\tc", "a\\x0ab\\x0d\\x09c"),
        ("\u202e\u2028\ufeff", "\\u202e\\u2028\\ufeff"),
        ("\U000e0001", "\\U000e0001"),
        ("\ud800", "\\ud800"),
        ("see https://ann:hush@h/p", "see https://***@h/p"),
        ("//a@b @c", "//***@b @c"),
        ("//@", "//***@"),
        ("a@//b", "a@//b"),
        ("http://a:p//w@x@h/p (https://b@h)", "http://***@h/p (https://***@h)"),
        ("@ " + "//" * 200_000, "@ " + "//" * 200_000),
    ],
)
def test_printable_text_is_one_printable_line_without_credentials(text: str, wanted: str) -> None:
    assert printable(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a", '"a"'),
        ('say "a\\b"', '"say \\"a\\\\b\\""'),
        ("a\x07", '"a\\x07"'),
        ("x" * 121, '"' + "x" * 120 + '…"'),
        ("x" * 120, '"' + "x" * 120 + '"'),
        ("https://ann:" + "hush" * 50 + "@h/" + "p" * 200, '"https://***@h/' + "p" * 106 + '…"'),
    ],
)
def test_quoted_text_is_escaped_and_short(text: str, wanted: str) -> None:
    assert quoted(text) == wanted


def test_text_is_made_printable_before_it_is_cut() -> None:
    assert truncated("\x1b" * 10, 8) == "\\x1b\\x1b…"
    assert truncated("//ann:hush@h", 8) == "//***@h"


def test_a_long_secret_does_not_show_when_a_url_is_cut() -> None:
    assert "hush" not in quoted_url("https://ann:" + "hush" * 99 + "@h/" + "x" * 999)
    assert len(quoted_url("https://h/" + "x" * 999)) < 130


def test_the_query_of_a_url_does_not_show_since_it_may_be_a_capability() -> None:
    assert quoted_url("https://h/control/abort/a?cap=hush x") == '"https://h/control/abort/a?***"'
    assert quoted_url("https://h/?") == '"https://h/?"'


def test_of_a_long_text_only_the_beginning_is_processed() -> None:
    assert truncated("\x1b" * 10_000, 8) == "\\x1b\\x1b…"
    assert quoted('"' * 10_000) == '"' + '\\"' * 60 + '…"'
    assert truncated("x " * 10_000, 3) == "x x…"


def test_a_password_that_is_longer_than_what_is_processed_does_not_show() -> None:
    assert truncated("see https://ann:" + "hush" * 1000 + "@h/p") == "see https://***…"
    assert truncated("https://h/" + "p" * 2000, 12) == "https://h/pp…"


@pytest.mark.parametrize("text", ["", "a b", "it's", "$(id)", "`id`", "a;b", "*", "~", "!x", "ü", "a\nb", '"', "#a"])
def test_what_a_shell_would_change_is_quoted(text: str) -> None:
    assert shell_word(text)[:1] == "'"
    assert shlex.split(shell_word(text)) == [text]


def test_what_no_shell_changes_stays_as_it_is() -> None:
    assert shell_word("https://a-b.c:8080/d_e%20f@g,h+i") == "https://a-b.c:8080/d_e%20f@g,h+i"


@pytest.mark.parametrize(("names", "sentence"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_names_are_listed_as_in_a_sentence(names: list[str], sentence: str) -> None:
    assert listed(names, "or") == sentence


def test_of_many_names_only_the_first_are_listed() -> None:
    names = [str(number) for number in range(23)]
    assert first_few(names).endswith("18, 19 and 3 more")
    assert first_few(names[:20]).endswith("18, 19")
