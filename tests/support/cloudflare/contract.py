"""Validates requests and answers against the schemas of `schemas.json`."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.support.cloudflare.multipart import MalformedForm, Part, parse

_DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parent / "schemas.json").read_text())


class Breach(NamedTuple):
    """A violation of the schemas: the operation, the place in it, and the rule."""

    operation: str
    where: str
    rule: str


WRANGLER = frozenset(
    {
        Breach("put-script", "query", "'excludeScript' was unexpected"),
        Breach("put-script", "metadata", "'code_update_strategy' was unexpected"),
        Breach("post-deployment", "body", "'code_update_strategy' was unexpected"),
        Breach("put-script", "metadata.observability.logs", "'enabled' is a required property"),
        Breach("patch-script-settings", "body.observability.logs", "'enabled' is a required property"),
        Breach("post-version", "metadata", "'observability' was unexpected"),
    }
)
"""The violations that wrangler 4.164 makes: four kinds, some of them in two operations."""

OURS = frozenset({Breach("put-script", "query", "'excludeScript' was unexpected")})
"""The violation that this program makes: without it the answer would include the script."""


class Request(NamedTuple):
    """A request as received."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class Operation(NamedTuple):
    """One operation of the document."""

    id: str
    method: str
    path: re.Pattern[str]
    schema: Mapping[str, Any]


class Understood(NamedTuple):
    """A request matched to an operation: the parameters in its path and query, and its body."""

    operation: Operation
    names: Mapping[str, str]
    query: Mapping[str, str]
    content: Any
    modules: tuple[Part, ...]
    breaches: frozenset[Breach]


def understand(request: Request) -> Understood | None:
    """Return the operation of *request* with all its violations, or None if no operation matches."""
    for operation in _operations():
        found = operation.path.fullmatch(request.path)
        if found and operation.method == request.method:
            query = dict(parse_qsl(request.query, keep_blank_values=True))
            content, modules, breaches = _content(operation, request)
            breaches += [
                Breach(operation.id, "query", rule)
                for _, rule in _broken(operation.schema.get("query", _NO_QUERY), _typed(operation, query))
            ]
            return Understood(operation, found.groupdict(), query, content, modules, frozenset(breaches))
    return None


def check_answer(operation: Operation, envelope: Any) -> None:
    """Raise `AssertionError` if the stand-in itself gives an answer that the schemas do not allow."""
    broken = list(_broken(_DOCUMENT["envelope"], envelope))
    if envelope["success"] and "result" in operation.schema:
        broken += _broken(operation.schema["result"], envelope["result"])
    assert not broken, f"{operation.id} answers against the document: {broken}"


_NO_QUERY: dict[str, Any] = {"type": "object", "additionalProperties": False}


@cache
def _operations() -> tuple[Operation, ...]:
    return tuple(_operation(schema) for schema in _DOCUMENT["operations"])


def _operation(schema: Mapping[str, Any]) -> Operation:
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(schema["path"]))
    return Operation(schema["id"], schema["method"], re.compile(pattern), schema)


def _content(operation: Operation, request: Request) -> tuple[Any, tuple[Part, ...], list[Breach]]:
    expected = operation.schema.get("request")
    if expected is None:
        return None, (), [Breach(operation.id, "body", "no body is expected")] if request.body else []
    if "content-length" not in request.headers:
        return None, (), [Breach(operation.id, "headers", "the body has no Content-Length")]
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0] != expected["content_type"]:
        return None, (), [Breach(operation.id, "headers", f"Content-Type is {kind!r}")]
    if expected["content_type"] == "multipart/form-data":
        return _form(operation, kind, request.body, expected["schema"])
    try:
        body = json.loads(request.body)
    except ValueError:
        return None, (), [Breach(operation.id, "body", "is not JSON")]
    return body, (), [_breach(operation, "body", *broken) for broken in _broken(expected["schema"], body)]


def _form(
    operation: Operation, kind: str, body: bytes, schema: Mapping[str, Any]
) -> tuple[Any, tuple[Part, ...], list[Breach]]:
    try:
        first, *modules = parse(kind, body)
        metadata = json.loads(first.content)
    except (MalformedForm, ValueError) as error:
        return None, (), [Breach(operation.id, "form", str(error))]
    breaches = [_breach(operation, "metadata", *broken) for broken in _broken(schema, metadata)]
    breaches += [Breach(operation.id, "form", rule) for rule in _form_rules(first, modules, metadata)]
    return metadata, tuple(modules), breaches


def _form_rules(first: Part, modules: Iterable[Part], metadata: Any) -> Iterator[str]:
    if first.name != "metadata" or first.filename is not None:
        yield "the first part is not the metadata"
    if first.type not in {None, "application/json"}:
        yield f"the metadata is of type {first.type}"
    for module in modules:
        if module.filename is None or module.name not in {module.filename, "files"}:
            yield f"part and file are named {module.name!r} and {module.filename!r}"
        if module.type not in {"application/javascript+module", "application/javascript"}:
            yield f"a module of type {module.type}"
    if metadata.get("main_module") not in {module.filename for module in modules}:
        yield "the main module is not among the parts"


def _typed(operation: Operation, query: Mapping[str, str]) -> dict[str, Any]:
    """Return *query* with its values converted to the types in the schemas."""
    kinds = operation.schema.get("query", {}).get("properties", {})
    readers: dict[str, Callable[[str], Any]] = {
        "boolean": {"true": True, "false": False}.__getitem__,
        "integer": int,
        "number": float,
    }
    typed: dict[str, Any] = {}
    for name, text in query.items():
        reader = readers.get(kinds.get(name, {}).get("type"), str)
        try:
            typed[name] = reader(text)
        except (ValueError, KeyError):
            typed[name] = text
    return typed


def _breach(operation: Operation, root: str, path: str, rule: str) -> Breach:
    return Breach(operation.id, f"{root}.{path}" if path else root, rule)


def _broken(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """Yield the place and the rule of each violation of *schema* in *value*."""
    for error in Draft202012Validator(schema).iter_errors(value):
        yield from _explained(error)


def _explained(error: ValidationError) -> Iterator[tuple[str, str]]:
    if error.validator == "anyOf":
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context or ():
            branches.setdefault(inner.schema_path[0], []).append(inner)
        # Only the branch of the right kind is relevant.
        meant = min(branches.values(), key=_is_another_kind)
        for inner in meant:
            yield from _explained(inner)
        return
    path = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        for name in error.instance:
            if name not in known:
                yield path, f"{name!r} was unexpected"
        return
    yield path, error.message


def _is_another_kind(errors: Iterable[ValidationError]) -> bool:
    """Return whether a branch of `anyOf` does not apply to the value, by its JSON type or its field `type`."""
    return any(error.validator == "type" or list(error.relative_path) == ["type"] for error in errors)
