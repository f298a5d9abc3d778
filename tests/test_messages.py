"""The messages' fields, and the JSON Schemas that are published of them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from exec_cf.deploy.messages import WorkerDocument
from exec_cf.encode import render_json
from exec_cf.messages import EXECUTOR_BLOCKS, HANDLES, SPECS, AgentList, SpawnSpec, WorkerHandle, version_of
from tests.support.fleet import listed, totals
from tests.support.strategies import messages

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
PUBLISHED: dict[str, type[msgspec.Struct]] = {
    **{f"spawn-spec.{version}.json": kind for version, kind in SPECS.items()},
    **{f"worker-handle.{version}.json": kind for version, kind in HANDLES.items()},
    "agent-list.v1.json": AgentList,
    "worker.v1.json": WorkerDocument,
}


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / name).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_every_schema_is_of_a_message() -> None:
    assert sorted(file.name for file in SCHEMAS.glob("*.json")) == sorted(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_is_named_by_its_address(name: str) -> None:
    schema = json.loads((SCHEMAS / name).read_text())
    assert schema["$id"] == f"https://orch.io/schemas/{name}"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(("name", "kind"), PUBLISHED.items(), ids=PUBLISHED)
def test_a_schema_accepts_every_message(name: str, kind: type[msgspec.Struct]) -> None:
    schema = validator(name)

    @settings(max_examples=50)
    @given(messages(kind))
    def accepted(message: msgspec.Struct) -> None:
        assert schema.is_valid(json.loads(render_json(message)))

    accepted()


GOOD: dict[str, Any] = {"name": "a", "agent": "echo", "cf-worker": {"script": "s"}}
GOOD_HANDLE: dict[str, Any] = {
    "name": "a",
    "agent": "echo",
    "created_at": "2026-05-24T15:30:00.000Z",
    "executor": "cf-worker",
    "status": "ready",
}
WRONG = (
    st.none() | st.integers() | st.booleans() | st.lists(st.integers(), min_size=1, max_size=2) | st.text(max_size=4)
)


GOOD_LIST: dict[str, Any] = {"agents": [listed("a")], "totals": totals([listed("a")])}
WHOLE: dict[str, dict[str, Any]] = {
    **{name: GOOD if issubclass(kind, SpawnSpec) else GOOD_HANDLE for name, kind in PUBLISHED.items()},
    "agent-list.v1.json": GOOD_LIST,
}


@pytest.mark.parametrize(("name", "kind"), PUBLISHED.items(), ids=PUBLISHED)
def test_a_schema_and_the_types_refuse_alike(name: str, kind: type[msgspec.Struct]) -> None:
    schema = validator(name)
    whole = WHOLE[name]
    fields = [field.encode_name for field in msgspec.structs.fields(kind)]
    if name.endswith("v2.json"):
        whole = whole | {"spec_version": "v2"}

    @given(st.sampled_from([field for field in fields if field != "created_at"] + ["extra"]), WRONG)
    def alike(field: str, value: Any) -> None:
        document = whole | {field: value}
        assert schema.is_valid(document) == _is(document, kind)

    alike()
    for field in fields:
        less = {key: value for key, value in whole.items() if key != field}
        assert schema.is_valid(less) == _is(less, kind)


@given(st.sampled_from(sorted(field for field in listed("a") if field != "started_at")), WRONG)
def test_a_schema_and_the_type_refuse_the_same_agents(field: str, value: Any) -> None:
    schema = validator("agent-list.v1.json")
    document = {**GOOD_LIST, "agents": [listed("a") | {field: value}]}
    assert schema.is_valid(document) == _is(document, AgentList)


def _is(document: Any, kind: type[msgspec.Struct]) -> bool:
    try:
        msgspec.convert(document, kind)
    except msgspec.ValidationError:
        return False
    return True


def test_the_fields_of_a_handle_are_in_the_contracts_order() -> None:
    assert [field.encode_name for field in msgspec.structs.fields(WorkerHandle)] == [
        *("spec_version", "name", "agent", "session", "created_at", "executor", "pane_id", "id", "bus", "abort"),
        *("log_file", "pid", "status", "message"),
    ]


@pytest.mark.parametrize(("version", "kind"), SPECS.items())
def test_every_executor_block_is_a_field(version: Any, kind: type[SpawnSpec]) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert set(EXECUTOR_BLOCKS[version]) <= fields


@pytest.mark.parametrize(
    ("document", "version"),
    [
        ({}, "v1"),
        ({"spec_version": ""}, "v1"),
        ({"spec_version": "v2"}, "v2"),
        ({"spec_version": "v9"}, "v1"),
        (None, "v1"),
    ],
)
def test_the_version_of_a_document(document: Any, version: str) -> None:
    assert version_of(document) == version
