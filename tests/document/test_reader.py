"""Bytes in, a document out: the syntax that people use, all of JSON, and one line for whatever is refused."""

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exec_cf.document import LIMITS, Limits, read
from exec_cf.errors import Code, Diagnostic, Exit, Refused
from tests.support.hostile import KIB, SHAPES
from tests.support.json_documents import json_document


def value(text: str) -> object:
    document = read(text.encode())
    assert document.problems == ()
    return document.value


def refusal(data: str | bytes, limits: Limits = LIMITS) -> list[Diagnostic]:
    with pytest.raises(Refused) as refused:
        read(data.encode() if isinstance(data, str) else data, limits)
    return list(refused.value.problems)


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


@given(st.integers(0, 2**64))
@settings(max_examples=3000)
def test_all_of_json_is_read_with_its_own_values(seed: int) -> None:
    text = json_document(random.Random(seed))
    read_value = value(text)
    assert exact(read_value) == exact(json.loads(text))


def exact(value: object) -> object:
    """Return *value* so that it equals nothing of another type, nor -0.0 what 0.0 equals."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return type(value), math.copysign(1, value) if isinstance(value, float) else 0, value


@pytest.mark.parametrize("char", ["\x7f", "\x80", "\ufeff", "\uffff"])
def test_what_may_stand_in_quotes_only_is_refused_elsewhere(char: str) -> None:
    assert value(f'a: "{char}"') == {"a": char}
    (problem,) = refusal(f'a: "{char}"\nb: {char}')
    assert (problem.code, problem.line, problem.column) == (Code.ENCODING, 2, 4)
    assert f"U+{ord(char):04X}" in problem.message


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("a: b: c", "mapping values are not allowed here", 'quote text that holds ": "'),
        ("a: - b", "sequence entries are not allowed here", "begin the list on a line of its own, or quote the text"),
        ("a: ? b", "mapping keys are not allowed here", "begin the mapping on a line of its own, or quote the text"),
        ("a:\n\t- b", "found a tab in the indentation", "indent with spaces, not tabs"),
        ("[a]#b", "found character '#'", "put a space before the comment, or quote the text"),
        ("a: @b", "found character '@'", "quote the text"),
        ("a: b\nc", "could not find expected ':'", "write a colon and a space after the key"),
        ("a: 'b' c", "expected <block end>", "align the keys, or quote the text"),
        ("a:\n  [b", "expected ',' or ']'", "close the bracket opened on line 2, or quote the text"),
        ("a: b]]\n]", "found ']' without its opening bracket", "remove it, or quote the text"),
        ("\n'a", "found unexpected end of stream", "close the quotes opened on line 2"),
        ("'\n---\n'", "found unexpected document separator", "close the quotes opened on line 1"),
        ("a: &", "expected a name, and white space after it", "quote the text, * and & name anchors"),
        ("a: !b,", "expected a tag, and white space after it", "quote the text, ! begins a tag"),
        ("a: !hunter!2 b", "found undefined tag handle; ", "quote the text, ! begins a tag"),
        ('"C:\\who"', "found an unknown or unfinished escape", "double the backslash, or use single quotes"),
        ("a: |b", "expected chomping or indentation indicators", "begin the text on the next line, or quote it"),
        ("a: |\n  \n b", "blank line indented deeper than the text", "indent the blank lines no deeper than the text"),
        ("[a]\n[b]", "expected '<document start>'", "align the keys, or quote the text"),
        ("%YAML x\n---", "expected a version like 1.2", "write %YAML 1.2, or remove the line"),
        ("%YAML 2.0\n---", "version 1.* is required", "write %YAML 1.2, or remove the line"),
        ("%YAML 1.2\n%YAML 1.2\n---", "found duplicate YAML directive", "keep one of them"),
        ("%TAG ! a\n%TAG ! a\n---", "duplicate tag handle '!'", "keep one of them"),
        ("%TAG !\n---", "expected a handle like !e! and a prefix", "remove the line"),
        ("%\n---", "expected a name and its parameters", "remove the line, or quote the text"),
        ("[,]", "expected the node content", "write a value there, or quote the text"),
    ],
)
def test_a_syntax_error_is_reported_with_a_hint(text: str, words: str, hint: str) -> None:
    (problem,) = refusal(text)
    assert words in f"{problem.message}; "
    assert problem.hint == hint


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
def test_invalid_yaml_is_65_with_its_line(text: str, line: int) -> None:
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


@pytest.mark.parametrize("data", [b"", b" ", b"\n\r\n\t"])
def test_an_empty_input_is_64(data: bytes) -> None:
    (problem,) = refusal(data)
    assert problem.code is Code.EMPTY
    assert problem.code.exit_code is Exit.USAGE


def test_a_size_beyond_the_limit_is_refused_and_the_limit_itself_is_read() -> None:
    comment = b"a: b #" + b"x" * (LIMITS.size - 6)
    assert read(comment).value == {"a": "b"}
    (problem,) = refusal(comment + b"x")
    assert problem.code is Code.LIMIT
    assert "256 KiB" in problem.message


@pytest.mark.parametrize("shape", SHAPES)
def test_hostile_input_is_read_or_refused(shape: str) -> None:
    try:
        read(SHAPES[shape](8 * KIB))
    except Refused as refused:
        assert refused.problems
