"""Decodes a document into a message with msgspec, and explains each field that msgspec rejects."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, get_args

import msgspec
from msgspec import inspect

from exec_cf.display import MAX_SHOWN_CHARS, listed, quoted, truncated
from exec_cf.document import Document, Value, describe
from exec_cf.errors import Code, Diagnostic, Path, is_secret
from exec_cf.messages import SPECS

Message = TypeVar("Message", bound=msgspec.Struct)


def decode(document: Document, message: type[Message]) -> tuple[Message | None, list[Diagnostic]]:
    """Return *document* as *message*, or None and every problem with it, each with its position.

    Null for an optional field counts as absent, and so does an empty `spec_version`.
    """
    value = _present(document.value, message)
    try:
        return msgspec.convert(value, message), []
    except msgspec.ValidationError as error:
        found = [
            document.locate(_in_words(problem, document)) for problem in _explain(value, inspect.type_info(message))
        ]
        return None, found or [document.locate(Diagnostic(Code.TYPE, truncated(str(error))))]


def _present(value: Any, message: type[msgspec.Struct]) -> Any:
    if not isinstance(value, dict):
        return value
    fields = {field.encode_name: field for field in msgspec.structs.fields(message)}
    return {
        key: _present(item, block) if (block := _block(fields, key)) else item
        for key, item in value.items()
        if not (
            item is None and key in fields and not fields[key].required and type(None) not in _options(fields[key].type)
        )
        and not (item == "" and key == "spec_version")
    }


def _block(fields: Mapping[str, msgspec.structs.FieldInfo], key: str) -> type[msgspec.Struct] | None:
    """Return the struct type of the field *key*, or None if it has another type."""
    if key not in fields:
        return None
    for option in _options(fields[key].type):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _options(kind: Any) -> Iterator[Any]:
    """Yield the types that *kind* combines through unions and annotations."""
    parts = get_args(kind)
    if not parts:
        yield kind
    for part in parts:
        yield from _options(part)


def _in_words(problem: Diagnostic, document: Document) -> Diagnostic:
    """Return a type problem reworded to quote the document's own spelling, with a hint for unquoted scalars."""
    if problem.code is not Code.TYPE:
        return problem
    position = document.position(problem.path)
    value = _at(document.value, problem.path)
    secret = is_secret(problem.path)
    hint = problem.hint
    if problem.message == "text" and position.spelling is not None:
        shown = not secret and len(position.spelling) <= MAX_SHOWN_CHARS
        hint = f'write "{position.spelling}"' if shown else "put it in double quotes"
    message = f"expected {problem.message}, got {describe(value, position.spelling, secret=secret)}"
    return msgspec.structs.replace(problem, message=message, hint=hint)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _explain(value: Value, kind: Any, path: Path = ()) -> Iterator[Diagnostic]:
    """Yield every problem of *value* as *kind*; the message of a type problem is just the expected type."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    match kind:
        case inspect.UnionType():
            # The only unions are optional types.
            if value is not None:
                inner = next(part for part in kind.types if not isinstance(part, inspect.NoneType))
                yield from _explain(value, inner, path)
        case inspect.StructType():
            yield from _struct(value, kind, path)
        case inspect.DictType():
            yield from _each(value, dict, "a mapping of text to text", kind.value_type, path)
        case inspect.ListType():
            yield from _each(value, list, "a list of text", kind.item_type, path)
        case inspect.LiteralType():
            yield from _literal(value, kind.values, path)
        case _:
            fits, expected = _SCALARS[type(kind)]
            if not fits(value):
                yield Diagnostic(Code.TYPE, expected, path)


def _struct(value: Value, kind: Any, path: Path) -> Iterator[Diagnostic]:
    fields = {field.encode_name: field for field in kind.fields}
    if not isinstance(value, dict):
        yield Diagnostic(Code.TYPE, "a mapping", path, f"its fields are {listed(fields)}")
        return
    for key, item in value.items():
        if key in fields and item is None and not isinstance(fields[key].type, inspect.UnionType):
            yield Diagnostic(Code.MISSING, "is required, got null", (*path, key), "give it a value")
        elif key in fields:
            yield from _explain(item, fields[key].type, (*path, key))
        else:
            yield Diagnostic(Code.UNKNOWN, "unknown field", (*path, key), _nearest(key, fields))
    for name, field in fields.items():
        if field.required and name not in value:
            yield Diagnostic(Code.MISSING, f"the field {name} is required", path, f"add {name}")


def _each(value: Value, shape: type, expected: str, kind: Any, path: Path) -> Iterator[Diagnostic]:
    if not isinstance(value, shape):
        yield Diagnostic(Code.TYPE, expected, path)
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]  # it is a list or a dict
    for key, item in pairs:
        yield from _explain(item, kind, (*path, key))


def _literal(value: Value, values: tuple[Any, ...], path: Path) -> Iterator[Diagnostic]:
    known = tuple(SPECS) if path == ("spec_version",) else values
    hint = f"write {listed(known, 'or')}"
    if not isinstance(value, str):
        yield Diagnostic(Code.TYPE, "one of its values", path, hint)
    elif value not in values:
        yield Diagnostic(Code.VALUE, f"{quoted(value)} is not supported", path, hint)


def _is_timestamp(value: Value) -> bool:
    try:
        msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        return False
    return True


_SCALARS: Mapping[type, tuple[Callable[[Value], bool], str]] = {
    inspect.StrType: (lambda value: isinstance(value, str), "text"),
    inspect.BoolType: (lambda value: isinstance(value, bool), "true or false"),
    inspect.IntType: (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    inspect.DateTimeType: (_is_timestamp, "a timestamp like 2026-05-24T15:30:00.000Z"),
}
"""The scalar types of the messages: what fits, and what diagnostics call it."""


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name.strip().lower().replace("_", "-"), known, 1, 0.7)
    near = near or get_close_matches(name.strip().lower(), known, 1, 0.7)
    near = near or get_close_matches(name.strip().upper(), known, 1, 0.7)
    return f"did you mean {near[0]}?" if near else f"known fields are {listed(known)}"
