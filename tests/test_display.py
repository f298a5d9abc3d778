"""Text from outside, fit to be shown."""

import pytest

from exec_cf.display import printable, quoted, truncated


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
def test_plain_text_is_one_printable_line_without_credentials(text: str, wanted: str) -> None:
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
def test_shown_text_is_quoted_and_short(text: str, wanted: str) -> None:
    assert quoted(text) == wanted


def test_short_text_is_plain_before_it_is_cut() -> None:
    assert truncated("\x1b" * 10, 8) == "\\x1b\\x1b…"
    assert truncated("//ann:hush@h", 8) == "//***@h"
