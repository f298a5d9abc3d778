"""A document knows where each of its parts is."""

from exec_cf.document import Document, Position, read
from exec_cf.errors import Code, Diagnostic


def test_every_part_has_its_position_and_spelling() -> None:
    document = read(b"a: 0x10\nb:\n  - 'x'\n  - {c: ~}\n")
    assert document.position(("a",)) == Position(1, 4, "0x10")
    assert document.position(("b", 0)) == Position(3, 5, "x")
    assert document.position(("b", 1, "c")) == Position(4, 9, "~")
    assert document.position(("b", 1)) == Position(4, 5, None)


def test_what_has_no_position_gets_the_nearest_above() -> None:
    document = read(b"a:\n  b: c\n")
    assert document.position(("a", "absent", 3)) == Position(2, 3)
    assert Document(None, {}).position(("x",)) == Position(1, 1)


def test_a_diagnostic_of_a_key_is_located_at_the_key() -> None:
    document = read(b"a:\n  b: c\n")
    located = [document.locate(Diagnostic(code, "", ("a", "b"))) for code in (Code.UNKNOWN, Code.KEY, Code.TYPE)]
    assert [(each.line, each.column) for each in located] == [(2, 3), (2, 3), (2, 6)]
