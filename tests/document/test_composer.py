"""Events to a document: keys, aliases, merge keys, tags, and the bounds on what they make."""

import pytest

from exec_cf.document import LIMITS, Limits, read
from exec_cf.errors import Code, Diagnostic, Refused


def value(text: str) -> object:
    document = read(text.encode())
    assert document.problems == ()
    return document.value


def refusal(text: str, limits: Limits = LIMITS) -> list[Diagnostic]:
    with pytest.raises(Refused) as refused:
        read(text.encode(), limits)
    return list(refused.value.problems)


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
        ("!!float 1.5", 1.5),
    ],
)
def test_the_core_tags_are_taken(text: str, wanted: object) -> None:
    assert value(f"x: {text}") == {"x": wanted}


@pytest.mark.parametrize("key", ["1", "true", "null", "~", "0x10", "1.5", "2026-01-01", "<", "no"])
def test_a_key_is_text_as_it_is_written(key: str) -> None:
    assert value(f"{key}: v") == {key: "v"}


def test_aliases_and_merge_keys() -> None:
    text = "base: &b {a: '1', c: '2'}\nmore: &m {c: '3', d: '4'}\nx:\n  <<: [*b, *m]\n  a: own\ny: *b\n"
    read_value = value(text)
    assert isinstance(read_value, dict)
    assert read_value["x"] == {"a": "own", "c": "2", "d": "4"}
    assert read_value["y"] == {"a": "1", "c": "2"}


def test_a_quoted_merge_key_is_text() -> None:
    assert value('"<<": a') == {"<<": "a"}


@pytest.mark.parametrize("text", ["a: b\n---\nc: d", "---\n---", "a: b\n--- # and nothing"])
def test_a_second_document_is_refused(text: str) -> None:
    (problem,) = refusal(text)
    assert (problem.code, problem.line, problem.column) == (Code.DOCUMENTS, 2, 1)


def test_an_empty_document_is_null() -> None:
    assert value("%YAML 1.2\n---\n") is None


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
        ("[&a {b: c}, {<<: *a}, {<<: *a}]", Limits(nodes=13), "13 values"),
        ("[a, b, c]", Limits(tokens=5), "5 tokens"),
    ],
)
def test_each_limit_is_named_and_placed(text: str, limits: Limits, words: str) -> None:
    (problem,) = refusal(text, limits)
    assert problem.code is Code.LIMIT
    assert words in problem.message
    assert problem.line == 1


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("[a, b, c]", Limits(nodes=4)),
        ("[&a a, *a, *a]", Limits(aliases=2)),
        ("[&a {b: c}, {<<: *a}, {<<: *a}]", Limits(nodes=14)),
    ],
)
def test_what_reaches_a_limit_is_read(text: str, limits: Limits) -> None:
    assert read(text.encode(), limits).problems == ()


def test_a_depth_at_the_limit_is_read() -> None:
    depth = LIMITS.depth
    assert read(b"[" * depth + b"a" + b"]" * depth).problems == ()
    (problem,) = refusal("[" * (depth + 1) + "a" + "]" * (depth + 1))
    assert problem.code is Code.LIMIT


@pytest.mark.parametrize("text", ["a: b\n...\nc: d", "a: b\n...\n# c\n%YAML 1.2\n---\n", "a\n...\n...\n|\n %a"])
def test_after_dots_a_second_document_needs_no_marker(text: str) -> None:
    (problem,) = refusal(text)
    assert (problem.code, problem.message) == (Code.DOCUMENTS, "a second document begins here")


@pytest.mark.parametrize("text", ["# only a comment", "...", "# c\n...\n"])
def test_no_document_at_all(text: str) -> None:
    (problem,) = refusal(text)
    assert problem.code is Code.DOCUMENTS


@pytest.mark.parametrize("text", ["- *a", "&a [*a]", "&a {b: *a}", "- &a b\n- *a: c\n"])
def test_an_alias_names_an_anchor_before_it(text: str) -> None:
    (problem,) = refusal(text)
    assert problem.code is Code.SYNTAX
    assert "*a" in problem.message
    assert problem.hint


def test_an_anchor_within_another_of_its_name_can_be_named() -> None:
    assert value("&a [&a b, *a]") == ["b", "b"]


@pytest.mark.parametrize(
    "text",
    [
        *("env: {A: *hunter2}", "env: {A: &hunter2 [*hunter2]}", "env: {A: !hunter2}", "env: {A: !hunter2 x}"),
        *("env: {A: !!hunter2 x}", "env: {A: !!int hunter2}", "env: {A: !hunter2!x y}", "env: !hunter2 {A: b}"),
        *("env: {A: !<hunter2> x}", "env: [*hunter2]", "env:\n  A: *hunter2", "env: {<<: hunter2}"),
        *("<<: {env: {A: *hunter2}}", "<<: [{}, {env: {A: !hunter2 x}}]", "cf-worker: {env: {A: *hunter2}}"),
        *("cf-worker: {env: {A: !!int hunter2}}", "cf-worker: {env: {B=hunter2: , B=hunter2: }}", "Env: {A: *hunter2}"),
    ],
)
def test_no_value_of_env_is_quoted(text: str) -> None:
    """A variable is likely to be a secret, and what it begins with is likely to be forgotten."""
    try:
        problems = list(read(text.encode()).problems)
    except Refused as refused:
        problems = list(refused.problems)
    assert problems
    assert "hunter2" not in "".join(map(str, problems))


@pytest.mark.parametrize(
    "text",
    [
        "a: [&L [" + "x, " * 50 + "], {<<: *L}, {<<: *L}]",
        "a: [&L [" + "{}, " * 50 + "], {<<: *L}, {<<: *L}]",
        "a: [&L [" + "[], " * 50 + "], {<<: *L}, {<<: *L}]",
        "a: [&L [" + "*n, " * 50 + "], {<<: *L}, {<<: *L}]",
    ],
)
def test_every_source_of_a_merge_counts(text: str) -> None:
    """Whether it brings a pair, or nothing, or a diagnostic."""
    limits = Limits(nodes=150)
    (problem, *_) = [each for each in refusal("n: &n {}\n" + text, limits) if each.code is Code.LIMIT]
    assert problem.message == "the document has more than 150 values"


@pytest.mark.parametrize(("text", "wanted"), [(": a", {"": "a"}), ("~: a", {"~": "a"}), ("? !!str\n: a", {"": "a"})])
def test_an_empty_key_is_empty_text(text: str, wanted: object) -> None:
    assert value(text) == wanted
