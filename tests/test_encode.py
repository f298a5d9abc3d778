"""A message to bytes that parsers of YAML 1.1 and 1.2 read alike."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings

from exec_cf import encode
from exec_cf.decode import decode
from exec_cf.document import LIMITS, read
from exec_cf.messages import HANDLES, SPECS, AbortBlock, AgentList, BusBlock, SpawnSpec, WorkerHandle
from tests.support.specs import EXAMPLE_HANDLE
from tests.support.strategies import ANY_TEXT, messages

MOMENT = datetime(2026, 5, 24, 15, 30, tzinfo=UTC)
EXAMPLE = WorkerHandle(
    name="lead-engineer",
    agent="claude-code",
    session="lead-engineer",
    created_at=MOMENT,
    executor="cf-worker",
    id="https://orch-cf-agent.example.workers.dev",
    bus=BusBlock(
        prompt="agents.prompt.open-agent.dmestas.lead-engineer",
        status="agents.status.open-agent.dmestas.lead-engineer",
        hb="agents.hb.open-agent.dmestas.lead-engineer",
        signal="orch.signal.>.open-agent.dmestas.lead-engineer",
    ),
    abort=AbortBlock(kind="http-post", target="https://orch-cf-agent.example.workers.dev/control/abort"),
    status="ready",
)


def with_session(text: str) -> bytes:
    return encode.render(msgspec.structs.replace(EXAMPLE, session=text))


def line_of(text: str) -> str:
    return with_session(text).decode().split("session: ")[1].split("\ncreated_at")[0]


class CoreLoader(yaml.SafeLoader):
    """PyYAML with the resolution of YAML 1.2's core schema in place of 1.1's."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's table


for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
]:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), [*_first])


def test_the_worked_example_to_the_byte() -> None:
    assert encode.render(EXAMPLE) == EXAMPLE_HANDLE


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "lead-engineer",
        "agents.prompt.open-agent.a.b",
        "https://h:8443/a",
        "orch.signal.>.x",
        "a:b",
        "n1",
        "/x",
        "e3x",
    ],
)
def test_what_no_parser_misreads_stays_bare(text: str) -> None:
    assert line_of(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "y", "N", "yes", "No", "on", "OFF", "true", "False", "null", "Null", "~", "=", "<<", "-", "?", ":"),
        *(
            "1",
            "-1",
            "+1",
            "1.5",
            ".5",
            "1e3",
            "0x1F",
            "e3",
            "E10",
            "0o7",
            "017",
            "1_000",
            "12:30",
            "2026-01-01",
            ".inf",
            ".nan",
            "-x",
        ),
        *(
            "a: b",
            "a #b",
            "#a",
            " a",
            "a ",
            "a:",
            "!a",
            "&a",
            "*a",
            "@a",
            "`a",
            "%a",
            "|",
            ">",
            "[a",
            "{a",
            "a,b",
            "'a",
        ),
    ],
)
def test_what_a_parser_could_misread_is_quoted(text: str) -> None:
    assert line_of(text) == f'"{text}"'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("ü", '"\\xFC"'),
        ("☺", '"\\u263A"'),
        ("😀", '"\\U0001F600"'),
        ("\n\t\0\x7f\x85", '"\\x0A\\x09\\x00\\x7F\\x85"'),
        ("\u2028\ufeff", '"\\u2028\\uFEFF"'),
    ],
)
def test_escapes_are_those_that_all_parsers_read_alike(text: str, wanted: str) -> None:
    assert line_of(text) == wanted


def test_a_line_is_never_broken() -> None:
    long = "word " * 1000
    assert line_of(long) == f'"{long}"'
    assert line_of("x" * 5000) == "x" * 5000


def test_equal_values_make_no_anchors() -> None:
    labels = {"a": "b"}
    spec = SpawnSpec(name="a", agent="echo", labels=labels, env=labels)
    assert b"&" not in encode.render(spec)
    assert b"*" not in encode.render(spec)


@pytest.mark.parametrize(
    ("moment", "wanted"),
    [
        (MOMENT, "2026-05-24T15:30:00.000Z"),
        (MOMENT.replace(microsecond=999_999), "2026-05-24T15:30:00.999Z"),
        (MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-05-24T15:30:00.000Z"),
    ],
)
def test_a_timestamp_is_utc_with_milliseconds(moment: datetime, wanted: str) -> None:
    assert encode.timestamp(moment) == wanted


def test_json_is_one_line_and_yaml_too() -> None:
    data = encode.render_json(EXAMPLE)
    assert data.count(b"\n") == 1
    assert decode(read(data), WorkerHandle) == (EXAMPLE, [])
    assert msgspec.json.decode(data)["created_at"] == "2026-05-24T15:30:00.000Z"


@given(ANY_TEXT)
@example("\U0010ffff\ufffe")
def test_any_text_reads_alike_everywhere(text: str) -> None:
    data = with_session(text)
    assert data.isascii()
    assert yaml.load(data, yaml.SafeLoader)["session"] == text
    assert yaml.load(data, CoreLoader)["session"] == text  # noqa: S506  a SafeLoader
    value = read(data).value
    assert isinstance(value, dict)
    assert value["session"] == text


@pytest.mark.parametrize("kind", SPECS.values(), ids=SPECS)
def test_any_spec_survives_encode_and_decode(kind: type[SpawnSpec]) -> None:
    @settings(max_examples=50)
    @given(messages(kind))
    def survives(spec: SpawnSpec) -> None:
        data = encode.render(spec)
        document = read(data, msgspec.structs.replace(LIMITS, size=len(data)))
        assert document.problems == ()
        assert decode(document, kind) == (spec, [])

    survives()


@pytest.mark.parametrize("kind", HANDLES.values(), ids=HANDLES)
def test_any_handle_survives_encode_and_decode(kind: type[WorkerHandle]) -> None:
    @settings(max_examples=50)
    @given(messages(kind))
    def survives(handle: WorkerHandle) -> None:
        assert decode(read(encode.render(handle)), kind) == (handle, [])
        assert msgspec.json.decode(encode.render_json(handle), type=kind) == handle

    survives()


@given(ANY_TEXT)
def test_json_steers_no_terminal(text: str) -> None:
    data = encode.render_json(msgspec.structs.replace(EXAMPLE, session=text))
    assert msgspec.json.decode(data)["session"] == text
    assert read(data).value == {**msgspec.json.decode(data)}
    assert all(char.isprintable() or char > "\uffff" for char in data.decode()[:-1])


@settings(max_examples=50)
@given(messages(AgentList))
def test_any_list_survives_encode(found: AgentList) -> None:
    assert msgspec.json.decode(encode.render_json(found), type=AgentList) == found
    data = encode.render(found)
    assert data.isascii()
    assert decode(read(data, msgspec.structs.replace(LIMITS, size=len(data))), AgentList) == (found, [])
