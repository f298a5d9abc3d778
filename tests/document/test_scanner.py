"""PyYAML's scanner as YAML 1.2 wants it: each construct that it got wrong, and the bounds."""

import pytest
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent, StreamEndEvent

from exec_cf.document.scanner import Events, ForbiddenCharacter, LimitExceeded


def nodes(text: str, max_tokens: int = 1000, max_depth: int = 32) -> list[str]:
    """Return the nodes of *text* one after the other: `[` and `{` for collections, `*` for an alias."""
    events = Events(text, max_tokens, max_depth)
    found = []
    while not isinstance(event := events.take(), StreamEndEvent):
        match event:
            case ScalarEvent():
                found.append(event.value)
            case AliasEvent():
                found.append(f"*{event.anchor}")
            case SequenceStartEvent():
                found.append("[")
            case MappingStartEvent():
                found.append("{")
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *((text, "{ a b") for text in ("a:\tb", "a: b\t", "a: b\t# c", "a:\t\n  b", "a: b\n# c\t\n", "a:\n \tb")),
        *((text, "{ a b") for text in ("{\ta: b\t,\t}", "{a: b\n\t}", "\t{a: b}", "\n \t{a: b}", "{\n\ta:\n\tb}")),
        *((text, "[ a") for text in ("-\ta", "- \ta", "\t[a]", "[\n\ta\n\t]", "-\n \ta")),
        ("? \ta\n: \tb", "{ a b"),
        ("a: b\n\t\nc: d", "{ a b c d"),
        ("a: b\n\t# c\nc: d", "{ a b c d"),
    ],
)
def test_a_tab_may_separate(text: str, wanted: str) -> None:
    assert nodes(text) == wanted.split(" ")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("\ta: b", 1, 1),
        ("a:\n\tb", 2, 1),
        ("a:\n\tb: c", 2, 1),
        ("a:\n \tb: c", 2, 2),
        ("a:\n  b: c\n \td: e", 3, 2),
        ("- a\n-\t- b", 2, 2),
        ("- \t- b", 1, 3),
        ("-\tb: c", 1, 2),
        ("?\t- b", 1, 2),
        ("?\tb: c", 1, 2),
        ("? -\n:\t- b", 2, 2),
        ("a: |\n\tb", 2, 1),
        ("a: |\n b\n\t\nc: d", 3, 1),
    ],
)
def test_a_tab_may_not_indent(text: str, line: int, column: int) -> None:
    with pytest.raises(MarkedYAMLError) as raised:
        nodes(text)
    assert raised.value.problem == "found a tab in the indentation"
    mark = raised.value.problem_mark
    assert mark
    assert (mark.line + 1, mark.column + 1) == (line, column)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a b\tc", ["a b\tc"]),
        ("a\n b\n\n  c", ["a b\nc"]),
        ("a\n \t\n b", ["a\nb"]),
        ("a\n\tb", ["a b"]),
        ("k: a\n \tb", ["{", "k", "a b"]),
        ("k: a\r\n b\r c", ["{", "k", "a b c"]),
        ("a\x85b\u2028c\u2029d", ["a\x85b\u2028c\u2029d"]),
        ("a#b:c", ["a#b:c"]),
        ("a:#b", ["a:#b"]),
        ("a #b", ["a"]),
        ("a\n#b", ["a"]),
        ("?a", ["?a"]),
        (":a", [":a"]),
        ("-a", ["-a"]),
        ("a\n- b", ["a - b"]),
        ("a\n%b", ["a %b"]),
        ("[a?b]", ["[", "a?b"]),
        ("[?a]", ["[", "?a"]),
        ("{?a: b}", ["{", "?a", "b"]),
        ("[a ? b]", ["[", "a ? b"]),
        ("{a?}", ["{", "a?", ""]),
        ("[:a, ::b]", ["[", ":a", "::b"]),
        ("{a: :b}", ["{", "a", ":b"]),
        ("[a:b]", ["[", "a:b"]),
        ("[a\n%b]", ["[", "a %b"]),
        ("[http://h/x?y#z]", ["[", "http://h/x?y#z"]),
        ("{a:}", ["{", "a", ""]),
        ("a: ---\n", ["{", "a", "---"]),
        ("a: ...b", ["{", "a", "...b"]),
    ],
)
def test_a_plain_scalar(text: str, wanted: list[str]) -> None:
    assert nodes(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a":b}', ["{", "a", "b"]),
        ('{"a":"b"}', ["{", "a", "b"]),
        ('{"a"::b}', ["{", "a", ":b"]),
        ('{"a"\n:b}', ["{", "a", "b"]),
        ('{"a" # c\n :b}', ["{", "a", "b"]),
        ("{'a':b}", ["{", "a", "b"]),
        ("[{}:b]", ["[", "{", "{", "b"]),
        ('{"a"\n: "b"}', ["{", "a", "b"]),
        ("{a\n: b}", ["{", "a", "b"]),
        ("{a\n b: c}", ["{", "a b", "c"]),
        ('{"a\n b": c}', ["{", "a b", "c"]),
        ('{"' + "a" * 2000 + '": b}', ["{", "a" * 2000, "b"]),
        ("{[a,\n b]\n: c}", ["{", "[", "a", "b", "c"]),
        ("{? a\n : b}", ["{", "a", "b"]),
        ("[? a : b]", ["[", "{", "a", "b"]),
        ("[a: b]", ["[", "{", "a", "b"]),
    ],
)
def test_a_key_of_a_flow_collection(text: str, wanted: list[str]) -> None:
    assert nodes(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (": a", ["{", "", "a"]),
        (":", ["{", "", ""]),
        ("- :", ["[", "{", "", ""]),
        ("a: b\n: c", ["{", "a", "b", "", "c"]),
        ("? a\n: b\n: c", ["{", "a", "b", "", "c"]),
        ("{: a}", ["{", "", "a"]),
        ("{a: b, : c}", ["{", "a", "b", "", "c"]),
        ("[: a]", ["[", "{", "", "a"]),
        ("[a, : b]", ["[", "a", "{", "", "b"]),
        ("{!!str : a}", ["{", "", "a"]),
        ("{a: !!str, b: c}", ["{", "a", "", "b", "c"]),
        ("[a, ]", ["[", "a"]),
    ],
)
def test_what_may_be_empty(text: str, wanted: list[str]) -> None:
    assert nodes(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r'"\0\a\b\t\n\v\f\r\e\ \"\/\\\N\_\L\P"', '\0\a\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029'),
        (r'"\x41\u263a\U0001F600\ud83d"', "A☺😀\ud83d"),
        ('"a  \n  b"', "a b"),
        ('"a\n\n\n b"', "a\n\nb"),
        ('"a\\  \n b"', "a  b"),
        ('"a\\\n  b"', "ab"),
        ('"a \\\n\n  \\ b"', "a \n b"),
        ('"a\r\n b\r c"', "a b c"),
        ('"\x7f\x80\x85\u2028\ufeff\ufffe\uffff"', "\x7f\x80\x85\u2028\ufeff\ufffe\uffff"),
        ("'\x7f\x9f\ufeff\ufffe'", "\x7f\x9f\ufeff\ufffe"),
        ("'a''b\"\\n'", "a'b\"\\n"),
        ("'a'' \n ''b'", "a' 'b"),
        ('"---a\n---b"', "---a ---b"),
        ('"\\\t"', "\t"),
    ],
)
def test_text_in_quotes(text: str, wanted: str) -> None:
    assert nodes(text) == [wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("|\n a\n  b\n c\n", "a\n b\nc\n"),
        ("|\t\n a\n", "a\n"),
        ("|  # c\n a\n", "a\n"),
        ("|-\n a\n\n", "a"),
        ("|+\n a\n\n", "a\n\n"),
        ("|+\n\n", "\n"),
        ("|+\n   ", "\n"),
        ("|\n", ""),
        ("|", ""),
        ("|2-\n   a\n", " a"),
        ("|-2\n   a\n", " a"),
        ("|\n a", "a"),
        ("|\n a\n   ", "a\n  \n"),
        ("|\n\n \n a\n", "\n\na\n"),
        ("|\n \ta\n", "\ta\n"),
        ("|\r\n a\r b\r\n", "a\nb\n"),
        ("--- |\na\n# b\n", "a\n# b\n"),
        ("|\n%a\n", "%a\n"),
        ("|\n a\n# c\n", "a\n"),
        ("|\n a\n...\n", "a\n"),
        ("|\n \n \n...\n", ""),
        ("--- |+\n  \n...\n", "\n"),
        ("|\n--- a", None),
        (">\n a\n b\n\n c\n", "a b\nc\n"),
        (">\n a\n  b\n c\n", "a\n b\nc\n"),
        (">\n a\n\n  b\n\n c\n", "a\n\n b\n\nc\n"),
        (">\n\n a\n", "\na\n"),
        (">\n a\n \tb\n", "a\n\tb\n"),
        (">-\n a\n b\n\n", "a b"),
        (">+\n a\n\n\n", "a\n\n\n"),
    ],
)
def test_a_block_scalar(text: str, wanted: str | None) -> None:
    found = nodes(text)
    assert found == ([wanted] if wanted is not None else ["", "a"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("&my.anchor x", ["x"]),
        ("&a:b *c", None),
        ("[&é x, *é]", ["[", "x", "*é"]),
        ("&a?!|>%@`\"' x", ["x"]),
        ("*a : b", ["{", "*a", "b"]),
        ("*a:", ["*a:"]),
        ("[&a, *a]", ["[", "", "*a"]),
        ("!<tag:x,2026:[y]> z", ["z"]),
        ("!e!%41 x", None),
        ("[!!str, !!str a]", ["[", "", "a"]),
        ("! a", ["a"]),
    ],
)
def test_anchors_aliases_and_tags(text: str, wanted: list[str] | None) -> None:
    if wanted is None:
        with pytest.raises(MarkedYAMLError):
            nodes(text)
    else:
        assert nodes(text) == wanted


def test_the_escapes_of_a_tag_are_read() -> None:
    events = Events("%TAG !e! tag:%C3%BC,\n--- !e!a%21 x", 100, 32)
    events.take()
    events.take()
    assert events.take().tag == "tag:ü,a!"


@pytest.mark.parametrize(
    "text",
    [
        *("%YAML 1.2\n--- a", "%YAML \t1.2\t# c\n--- a", "%YAML 1.3\n--- a", "%FOO bar # c\n--- a", "%YAML1.1\n--- a"),
        *("...\n...\na", "# c\n...\na", "a\n...\n...\n", "a\n... # c\n", "---\na\n...", "--- # c\na"),
    ],
)
def test_what_may_be_around_a_document(text: str) -> None:
    assert nodes(text) == ["a"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[a]#c", 1, 4),
        ("[a,#c\n]", 1, 4),
        ('a: "b"#c', 1, 7),
        ("a: |#c\n b", 1, 4),
        ("[-]", 1, 2),
        ("[-, a]", 1, 2),
        ("{?}", 1, 2),
        ("[a\n: b]", 2, 1),
        ('["a"\n: b]', 2, 1),
        ("a\nb: c", 2, 2),
        ('"a\nb": c', 2, 3),
        ('"' + "a" * 1100 + '": b', 1, 1103),
        ("a: b: c", 1, 5),
        ("a: - b", 1, 4),
        ("@a", 1, 1),
        ("`a", 1, 1),
        ("%a", 1, 3),
        ("a: }", 1, 4),
        ("]", 1, 1),
        ('"a', 1, 3),
        ("'a\n---\n'", 2, 1),
        ('"\\q"', 1, 2),
        ('"\\x4"', 1, 2),
        ('"\\u12_4"', 1, 2),
        ('"\\UFFFFFFFF"', 1, 2),
        ("a: >\n \n  \n b", 4, 1),
        ("a: |0\n b", 1, 4),
        ("a: |--\n b", 1, 4),
        ("&a,b c", 1, 3),
        ("& a", 1, 2),
        ("a: *\n", 1, 5),
        ("!a,b c", 1, 3),
        ("!<a c", 1, 2),
        ("%TAG ! a b\n--- c", 1, 1),
        ("%TAG !%41 a\n--- c", 1, 1),
        ("%TAG !e! %FF\n--- c", 1, 1),
        ("%YAML 1.2 3\n--- a", 1, 1),
        ("%YAML 1.2#c\n--- a", 1, 1),
        ("%YAML 2.0\n--- a", 1, 1),
        ("%YAML 1.2\na", 2, 1),
        ("% a\n--- b", 1, 1),
        ("a: 'b' c", 1, 8),
        ("{a: b c: d}", 1, 8),
        ("[a b: c: d]", 1, 8),
        ("[,]", 1, 2),
        ("--- a: b", 1, 6),
        ("a: b\n c: d", 2, 3),
        ("a:\n  b: c\n d: e", 3, 2),
        ("a: &b\n- c: *d e", 2, 9),
    ],
)
def test_what_is_not_yaml_is_refused_where_it_is(text: str, line: int, column: int) -> None:
    with pytest.raises(MarkedYAMLError) as raised:
        nodes(text)
    mark = raised.value.problem_mark
    assert mark
    assert (mark.line + 1, mark.column + 1) == (line, column)


@pytest.mark.parametrize("text", ["a: [\n]", "a: {\n}", "a: [b,\nc]", 'a: "b\nc"', "- [\n\ta]", "a: {\nb\n:\nc\n}"])
def test_the_lines_of_flow_collections_and_quotes_need_no_indentation(text: str) -> None:
    """YAML 1.2 wants one column more than the parent; no reader that people use does."""
    assert nodes(text)


@pytest.mark.parametrize("char", ["\x7f", "\x80", "\x9f", "\ufeff", "\ufffe", "\uffff"])
@pytest.mark.parametrize(
    ("before", "after"), [("a", "b"), ("# ", "\na"), ("&", " a"), ("a: |\n ", ""), ("'a' ", ""), ("# ", "\n'a'")]
)
def test_what_may_stand_in_quotes_only(char: str, before: str, after: str) -> None:
    with pytest.raises((ForbiddenCharacter, MarkedYAMLError)) as raised:
        nodes(before + char + after)
    if isinstance(raised.value, ForbiddenCharacter):
        assert raised.value.index == len(before)


def test_ahead_looks_and_take_moves() -> None:
    events = Events("a", 1000, 32)
    assert events.ahead() is events.take()
    assert events.ahead() is events.ahead()


def test_the_tokens_are_bounded() -> None:
    with pytest.raises(LimitExceeded, match="5 tokens"):
        nodes("[a, b, c]", 5)


@pytest.mark.parametrize("text", ["[" * 10, "{" * 10, "[{" * 10])
def test_brackets_are_bounded_before_they_are_composed(text: str) -> None:
    """Each bracket could be a key and is kept until that is known."""
    with pytest.raises(LimitExceeded, match="3 levels") as raised:
        nodes(text, max_depth=3)
    assert raised.value.mark.column == 4


def test_a_comment_as_long_as_the_input_is_one_step() -> None:
    assert nodes("a: b #" + "x" * 100_000, 20) == ["{", "a", "b"]
