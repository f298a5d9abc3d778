"""YAML in: the types of 1.2's core schema, the place of every value, and bounds on every cost."""

import math

import pytest

from exec_cf.document import LIMITS, Document, Limits, Position, describe, read
from exec_cf.errors import Code, Diagnostic, Exit, Refused
from tests.support.hostile import KIB, SHAPES


def value(text: str) -> object:
    document = read(text.encode())
    assert document.problems == ()
    return document.value


def refusal(data: str | bytes, limits: Limits = LIMITS) -> list[Diagnostic]:
    with pytest.raises(Refused) as refused:
        read(data.encode() if isinstance(data, str) else data, limits)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        *("no", "No", "NO", "yes", "on", "off", "y", "n", "12:30", "1:2:3", "1_000", "2026-01-01", "=", "<<a"),
        *(
            "2026-05-24T15:30:00Z",
            "0b1",
            "+0x1",
            "-0o7",
            "1e",
            "e1",
            ".",
            "+",
            "+.",
            "0x",
            "1.2.3",
            "0o8",
            "nUll",
            "tRue",
        ),
        *("-.nan", "+.NaN", "Inf", "1,000", "1 000", "~/x", "None", "10.0.0.1", "-", "a:b", "a#b"),
    ],
)
def test_what_yaml_1_1_or_a_person_could_take_for_a_value_is_text(text: str) -> None:
    if text == "-":
        assert value("a: '-'") == {"a": "-"}
    else:
        assert value(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *((word, None) for word in ("~", "null", "Null", "NULL", "")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *(("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("0o17", 15), ("0xFf", 255)),
        ("9" * 19, math.inf),
        *((number, math.inf) for number in ("1.5", "-.5", "1.", "1e3", "-1.5E-3", ".inf", "-.Inf", "+.INF", ".nan")),
    ],
)
def test_the_core_schema_has_these_values(text: str, wanted: object) -> None:
    """A number that no field takes is kept as a number alone, whatever its size."""
    assert value(f"a: {text}") == {"a": wanted}


@pytest.mark.parametrize("text", ['"no"', "'no'", "|-\n no", ">-\n no", "!!str no", "! no"])
def test_quotes_blocks_and_tags_make_text(text: str) -> None:
    assert value(f"a: {text}") == {"a": "no"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("!!int 3", 3),
        ("!!int '3'", 3),
        ("!!bool true", True),
        ("!!null ''", None),
        ("!!seq [a]", ["a"]),
        ("!!map {a: b}", {"a": "b"}),
        ("!!float 1.5", math.inf),
    ],
)
def test_the_core_tags_are_taken(text: str, wanted: object) -> None:
    assert value(f"x: {text}") == {"x": wanted}


@pytest.mark.parametrize("key", ["1", "true", "null", "~", "0x10", "1.5", "2026-01-01", "<", "no"])
def test_a_key_is_text_as_it_is_written(key: str) -> None:
    assert value(f"{key}: v") == {key: "v"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: b # c\n", {"a": "b"}),
        ("# c\na: b\n# d", {"a": "b"}),
        ("a: b\t# c\n", {"a": "b"}),
        ("a:\tb\n", {"a": "b"}),
        ("a: b\r\nc: d\r\n", {"a": "b", "c": "d"}),
        ("\ufeffa: b", {"a": "b"}),
        ("%YAML 1.2\n---\na: b\n...\n", {"a": "b"}),
        ("--- {a: [b, c]}", {"a": ["b", "c"]}),
        ("{a: b,\n\tc: d}", {"a": "b", "c": "d"}),
        ('a: "\\x41\\u263a\\U0001F600\\n"', {"a": "A☺😀\n"}),
        ("? a\n: b\n", {"a": "b"}),
        ('a: "b\\\n  c"', {"a": "bc"}),
        ('"\\ud83d\\ude00": "\\ud83d\\ude00"', {"😀": "😀"}),
    ],
)
def test_syntax_that_people_use(text: str, wanted: object) -> None:
    assert value(text) == wanted


def test_aliases_and_merge_keys() -> None:
    text = "base: &b {a: '1', c: '2'}\nmore: &m {c: '3', d: '4'}\nx:\n  <<: [*b, *m]\n  a: own\ny: *b\n"
    read_value = value(text)
    assert isinstance(read_value, dict)
    assert read_value["x"] == {"a": "own", "c": "2", "d": "4"}
    assert read_value["y"] == {"a": "1", "c": "2"}


def test_a_quoted_merge_key_is_text() -> None:
    assert value('"<<": a') == {"<<": "a"}


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"a: b\nc: \xff", 2, 4),
        (b"a: b\nc: \x00", 2, 4),
        ("a: ü\x07".encode(), 1, 5),
        ("a: \ufffe".encode(), 1, 4),
        (b"a: \xed\xa0\x80", 1, 4),
        (b"\xff\xfea\x00", 1, 1),
    ],
)
def test_what_is_no_yaml_text_is_placed(data: bytes, line: int, column: int) -> None:
    (problem,) = refusal(data)
    assert (problem.code, problem.line, problem.column) == (Code.ENCODING, line, column)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [b", 1),
        ("a: b\n c: d", 2),
        ("a: 'b", 1),
        ("a: *b", 1),
        ("a: &b [*b]", 1),
        ("\ta: b", 1),
        ("a:\n\tb: c", 2),
        ("@a: b", 1),
        ("a: `b", 1),
        ('a: "\\UFFFFFFFF"', 1),
        ('a: "\\q"', 1),
        ("%YAML 2.0\n---\na: b", 1),
        ("a: !x!y z", 1),
        ("a: b\n}", 2),
    ],
)
def test_what_is_no_yaml_is_65_with_its_line(text: str, line: int) -> None:
    (problem,) = refusal(text)
    assert problem.code in {Code.SYNTAX, Code.ENCODING}
    assert problem.code.exit_code is Exit.INPUT
    assert problem.line == line
    assert problem.column > 0


@pytest.mark.parametrize(
    "text",
    [
        "a: *%s",
        "a: &%s\n  - *%s",
        "a: !%s!x b",
        "a: !%s b",
        "a: !!int %sx",
        "%%%s\n--- *a",
        "%%TAG !%s! a\n%%TAG !%s! b\n--- c",
        "? %s\n: 1\n? %s\n: 2",
        "<<: %s",
    ],
)
def test_no_diagnostic_is_as_long_as_what_it_is_about(text: str) -> None:
    data = text.replace("%s", "1" * 100_000).replace("%%", "%").encode()
    try:
        problems = read(data).problems
    except Refused as refused:
        problems = refused.problems
    assert [len(str(problem)) < 500 for problem in problems] == [True]


@pytest.mark.parametrize("text", ["a: b\n---\nc: d", "---\n---", "a: b\n--- # and nothing"])
def test_a_second_document_is_refused(text: str) -> None:
    (problem,) = refusal(text)
    assert (problem.code, problem.line, problem.column) == (Code.DOCUMENTS, 2, 1)


@pytest.mark.parametrize(("text", "code"), [("# only a comment", Code.DOCUMENTS), ("...", Code.SYNTAX)])
def test_no_document_at_all(text: str, code: Code) -> None:
    (problem,) = refusal(text)
    assert problem.code is code


def test_an_empty_document_is_null() -> None:
    assert value("%YAML 1.2\n---\n") is None


@pytest.mark.parametrize("data", [b"", b" ", b"\n\r\n\t"])
def test_an_empty_input_is_64(data: bytes) -> None:
    (problem,) = refusal(data)
    assert problem.code is Code.EMPTY
    assert problem.code.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("text", "code", "path", "line", "column"),
    [
        ("a: 1\na: 2", Code.DUPLICATE, ("a",), 2, 1),
        ("a: 1\n'a': 2", Code.DUPLICATE, ("a",), 2, 1),
        ("x: {a: 1, a: 2}", Code.DUPLICATE, ("x", "a"), 1, 11),
        ("a: !local x", Code.TAG, ("a",), 1, 4),
        ("a: !!binary aGk=", Code.TAG, ("a",), 1, 4),
        ("a: !!timestamp 2026-01-01", Code.TAG, ("a",), 1, 4),
        ("a: !!python/object/apply:os.system [x]", Code.TAG, ("a",), 1, 4),
        ("a: !<tag:example.com,2026:x> y", Code.TAG, ("a",), 1, 4),
        ("a: !!int x", Code.TAG, ("a",), 1, 4),
        ("!x a: b", Code.TAG, ("a",), 1, 1),
        ("? [a]\n: b", Code.TYPE, (), 1, 3),
        ("a:\n  <<: 3", Code.TYPE, ("a", "<<"), 2, 3),
        ('a: "\\ud800"', Code.ENCODING, ("a",), 1, 4),
        ('a: {"\\udc00": b}', Code.ENCODING, ("a", "\udc00"), 1, 5),
    ],
)
def test_what_leaves_the_rest_readable_is_one_problem_among_others(
    text: str, code: Code, path: tuple[str, ...], line: int, column: int
) -> None:
    document = read(text.encode())
    assert [(p.code, p.path, p.line, p.column) for p in document.problems] == [(code, path, line, column)]


def test_the_first_of_two_equal_keys_is_kept() -> None:
    assert read(b"a: 1\na: 2\nb: 3").value == {"a": 1, "b": 3}


def test_all_duplicates_are_named() -> None:
    assert len(read(b"a: 1\na: 2\nb: 3\nb: 4\na: 5").problems) == 3


@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("[" * 4 + "]" * 4, Limits(depth=2), "2 levels"),
        ("[a, b, c]", Limits(nodes=3), "3 values"),
        ("[&a a, *a, *a]", Limits(aliases=1), "1 aliases"),
        ("[&a {b: c}, {<<: *a}, {<<: *a}]", Limits(nodes=11), "11 values"),
        ("[a, b, c]", Limits(tokens=5), "5 tokens"),
    ],
)
def test_each_limit_is_named_and_placed(text: str, limits: Limits, words: str) -> None:
    (problem,) = refusal(text, limits)
    assert problem.code is Code.LIMIT
    assert words in problem.message
    assert problem.line == 1


def test_a_size_beyond_the_limit_is_refused_and_the_limit_itself_is_read() -> None:
    comment = b"a: b #" + b"x" * (LIMITS.size - 6)
    assert read(comment).value == {"a": "b"}
    (problem,) = refusal(comment + b"x")
    assert problem.code is Code.LIMIT
    assert "256 KiB" in problem.message


def test_a_depth_at_the_limit_is_read() -> None:
    depth = LIMITS.depth
    assert read(b"[" * depth + b"a" + b"]" * depth).problems == ()
    (problem,) = refusal("[" * (depth + 1) + "a" + "]" * (depth + 1))
    assert problem.code is Code.LIMIT


@pytest.mark.parametrize("shape", SHAPES)
def test_hostile_input_is_read_or_refused(shape: str) -> None:
    try:
        read(SHAPES[shape](8 * KIB))
    except Refused as refused:
        assert refused.problems


def test_every_part_has_its_place_and_spelling() -> None:
    document = read(b"a: 0x10\nb:\n  - 'x'\n  - {c: ~}\n")
    assert document.position(("a",)) == Position(1, 4, "0x10")
    assert document.position(("b", 0)) == Position(3, 5, "x")
    assert document.position(("b", 1, "c")) == Position(4, 9, "~")
    assert document.position(("b", 1)) == Position(4, 5, None)


def test_what_has_no_place_gets_the_nearest_above() -> None:
    document = read(b"a:\n  b: c\n")
    assert document.position(("a", "absent", 3)) == Position(2, 3)
    assert Document(None, {}).position(("x",)) == Position(1, 1)


@pytest.mark.parametrize(
    ("thing", "spelling", "words"),
    [
        (None, None, "null"),
        (True, "True", "the boolean True"),
        (False, None, "the boolean false"),
        (16, "0x10", "the number 0x10"),
        ("a\nb", None, 'the text "a\\x0ab"'),
        ({}, None, "a mapping"),
        ([], None, "a list"),
    ],
)
def test_values_in_words(thing: bool | int | str | None, spelling: str | None, words: str) -> None:
    assert describe(thing, spelling) == words
