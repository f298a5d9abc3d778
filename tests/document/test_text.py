"""Bytes to text: UTF-8 without a byte order mark, and the characters that YAML allows."""

import pytest

from exec_cf.document.text import decode, forbidden
from exec_cf.errors import Code, Refused


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"a: b\nc: \xff", 2, 4),
        (b"a: b\nc: \x00", 2, 4),
        (b"a: b\r\nc: \x1b", 2, 4),
        (b"a: b\rc: \x0c", 2, 4),
        ("a: ü\x07".encode(), 1, 5),
        (b"\xef\xbb\xbfa: \x07", 1, 4),
        (b"a: \xed\xa0\x80", 1, 4),
        (b"\xff\xfea\x00", 1, 1),
    ],
)
def test_what_is_not_yaml_text_is_refused_where_it_is(data: bytes, line: int, column: int) -> None:
    with pytest.raises(Refused) as refused:
        decode(data)
    (problem,) = refused.value.problems
    assert (problem.code, problem.line, problem.column) == (Code.ENCODING, line, column)


@pytest.mark.parametrize(
    "char", ["\t", "\n", "\r", "\x7f", "\x85", "\xa0", "ü", "\u2028", "\ufffe", "😀", "\U0010ffff"]
)
def test_what_yaml_allows_somewhere(char: str) -> None:
    assert decode(f"a{char}".encode()) == f"a{char}"


@pytest.mark.parametrize("before", ["", "\n", "# c\n", " # c\r\n\t\n"])
def test_a_byte_order_mark_begins_a_document(before: str) -> None:
    assert decode(f"{before}\ufeffa: b".encode()) == before + "a: b"


def test_a_byte_order_mark_elsewhere_stays() -> None:
    assert decode("a: \ufeffb".encode()) == "a: \ufeffb"


def test_a_character_in_the_wrong_place() -> None:
    problem = forbidden("a: b\nc: \x7f", 8)
    assert (problem.code, problem.line, problem.column) == (Code.ENCODING, 2, 4)
    assert "U+007F" in problem.message
