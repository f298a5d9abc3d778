"""A document to a message: what msgspec refuses is explained field by field, with the cure."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exec_cf.decode import decode
from exec_cf.document import Document, read
from exec_cf.messages import HANDLES, SPECS, SpawnSpec, WorkerHandle

GOOD = "name: lead\nagent: echo\ncf-worker: {script: s}\n"


def problems(text: str) -> list[str]:
    message, found = decode(read(text.encode()), SpawnSpec)
    assert (message is None) == bool(found)
    return [str(problem) for problem in found]


def spec(text: str) -> SpawnSpec:
    message, found = decode(read(text.encode()), SpawnSpec)
    assert found == []
    assert message
    return message


def test_a_good_document_is_a_message() -> None:
    assert spec(GOOD).name == "lead"


@pytest.mark.parametrize("version", ["", "spec_version:\n", 'spec_version: ""\n', "spec_version: v1\n"])
def test_absent_empty_and_null_versions_are_v1(version: str) -> None:
    spec(version + GOOD)


@pytest.mark.parametrize("field", ["session", "labels", "outfit", "tmux", "env", "description"])
@pytest.mark.parametrize("null", ["", "~", "null"])
def test_null_for_an_optional_field_counts_as_absent(field: str, null: str) -> None:
    assert spec(f"{GOOD}{field}: {null}\n") == spec(GOOD)


def test_null_within_a_block_counts_as_absent() -> None:
    assert spec("name: a\nagent: echo\ncf-worker: {script: s, abort_endpoint: }\n") == spec(
        "name: a\nagent: echo\ncf-worker: {script: s}\n"
    )


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("labels: {PORT: 8080}", 'line 4, column 16: labels.PORT: expected text, got the number 8080; write "8080"'),
        ("labels: {PORT: 0x1F}", 'line 4, column 16: labels.PORT: expected text, got the number 0x1F; write "0x1F"'),
        ("labels: {A: true}", 'line 4, column 13: labels.A: expected text, got the boolean true; write "true"'),
        ("env: {PORT: 8080}", "line 4, column 13: env.PORT: expected text, got a number; put it in double quotes"),
        ("env: {A: true}", "line 4, column 10: env.A: expected text, got a boolean; put it in double quotes"),
        ("labels: {a: ~}", 'line 4, column 13: labels.a: expected text, got null; write "~"'),
        ("labels: {a: }", 'line 4, column 12: labels.a: expected text, got null; write ""'),
        ("session: [a]", "line 4, column 10: session: expected text, got a list"),
        ("labels: a", 'line 4, column 9: labels: expected a mapping of text to text, got the text "a"'),
        ("spec_version: v2", 'line 4, column 15: spec_version: "v2" is not supported; write v1 or v2'),
        ("spec_version: 1", "spec_version: expected one of its values, got the number 1; write v1 or v2"),
        ("tmux: {position: 3}", 'tmux.position: expected text, got the number 3; write "3"'),
        ("env: hush", "line 4, column 6: env: expected a mapping of text to text, got text"),
        ("outfit: {accessories: [a, 1]}", "outfit.accessories[1]: expected text, got the number 1"),
        ("outfit: {accessories: a}", 'outfit.accessories: expected a list of text, got the text "a"'),
        ("tmux: {headless: yes}", 'tmux.headless: expected true or false, got the text "yes"'),
        ("cf_worker: {}", "line 4, column 1: cf_worker: unknown field; did you mean cf-worker?"),
        ("sesion: x", "line 4, column 1: sesion: unknown field; did you mean session?"),
        ("zzz: x", "zzz: unknown field; known fields are spec_version, name,"),
        ("tmux: 3", "line 4, column 7: tmux: expected a mapping, got the number 3; its fields are headless, verify,"),
        ('labels: {"a b": 1}', 'labels."a b": expected text, got the number 1; write "1"'),
    ],
)
def test_what_is_refused_is_placed_named_and_cured(line: str, wanted: str) -> None:
    (said,) = problems(f"{GOOD}{line}\n")
    assert wanted in said


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("labels: {a: %s}", "put it in double quotes"),
        ("labels: a%s", ""),
        ("labels:\n  ? a%s\n  : 1", 'write "1"'),
        ("spec_version: v%s", "write v1 or v2"),
        ("? zzz%s\n: x", "known fields are spec_version"),
    ],
)
def test_no_diagnostic_is_as_long_as_what_it_is_about(line: str, cure: str) -> None:
    (said,) = problems(f"{GOOD}{line % ('1' * 200_000)}\n")
    assert len(said) < 500
    assert cure in said


@pytest.mark.parametrize(
    "env", ["hush", "[hush]", "{A: [hush]}", "{A: {hush: x}}", "{A: 31337}", "{A: 31337.5}", "[31337]"]
)
def test_no_value_of_the_environment_is_shown(env: str) -> None:
    said = "".join(problems(f"{GOOD}env: {env}\n"))
    assert "env" in said
    assert not any(secret in said for secret in ("hush", "31337"))


def test_a_value_of_the_environment_is_not_shown() -> None:
    (said,) = problems(f"{GOOD}env: hush\n")
    assert "hush" not in said


def test_an_agent_that_is_not_text_lists_the_agents() -> None:
    (said,) = problems("name: a\nagent: 3\ncf-worker: {script: s}\n")
    assert said.endswith(
        "agent: expected one of its values, got the number 3; write claude-code, codex, echo, gemini or pi"
    )


def test_a_missing_field_is_named_where_it_belongs() -> None:
    assert problems("agent: echo\ncf-worker: {}\n") == [
        "line 2, column 12: cf-worker: the field script is required; add script",
        "line 1, column 1: the field name is required; add name",
    ]


def test_null_for_a_required_field_is_missing_text() -> None:
    (said,) = problems("name:\nagent: echo\ncf-worker: {script: s}\n")
    assert "name: is required, got null; give it a value" in said


def test_an_unknown_agent_lists_the_agents() -> None:
    (said,) = problems("name: a\nagent: gpt\ncf-worker: {script: s}\n")
    assert '"gpt" is not supported; write claude-code' in said
    assert "or" in said


@pytest.mark.parametrize("text", ["a", "- a", "3", "null", "[]", "''"])
def test_a_document_that_is_not_a_mapping(text: str) -> None:
    (said,) = problems(text)
    assert said.startswith("line 1, column 1: expected a mapping, got ")


def test_every_wrong_type_is_reported_in_one_run() -> None:
    assert len(problems("name: 1\nagent: 2\nenv: {A: 3, B: 4}\nx: 5\ncf-worker: {script: 6, y: 7}\n")) == 7


def test_a_handle_is_explained_too() -> None:
    text = "name: a\nagent: echo\ncreated_at: yesterday\nexecutor: 3\nstatus: ready\npid: x\n"
    _, found = decode(read(text.encode()), WorkerHandle)
    assert [str(problem) for problem in found] == [
        'line 3, column 13: created_at: expected a timestamp like 2026-05-24T15:30:00.000Z, got the text "yesterday"',
        'line 4, column 11: executor: expected text, got the number 3; write "3"',
        'line 6, column 6: pid: expected a whole number, got the text "x"',
    ]


def test_a_timestamp_without_a_zone_is_refused() -> None:
    text = "name: a\nagent: echo\ncreated_at: 2026-05-24T15:30:00\nexecutor: x\nstatus: ready\n"
    assert decode(read(text.encode()), WorkerHandle)[0] is None


FIELDS = sorted(
    {field.encode_name for kind in (*SPECS.values(), *HANDLES.values()) for field in msgspec.structs.fields(kind)}
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.just(float("inf"))
    | st.sampled_from(["", "v1", "v2", "echo", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["script", "bundle", "do_id", "prompt", "kind", "target", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", [*SPECS.values(), *HANDLES.values()], ids=lambda kind: kind.__name__)
def test_whatever_is_refused_is_explained(kind: type[msgspec.Struct]) -> None:
    @settings(max_examples=50)
    @given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8))
    def explained(value: dict[str, Any]) -> None:
        message, problems = decode(Document(value, {}), kind)
        assert (message is None) == bool(problems)
        assert all(str(problem).isprintable() and problem.line for problem in problems)

    explained()
