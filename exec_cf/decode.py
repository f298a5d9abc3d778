"""A document to a message: msgspec decides, and what it refuses is explained field by field."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

import msgspec

from exec_cf.display import MAX_SHOWN_CHARS, quoted, truncated
from exec_cf.document import Document, Value, describe
from exec_cf.errors import Code, Diagnostic, Path
from exec_cf.messages import SPECS

Message = TypeVar("Message", bound=msgspec.Struct)


def decode(document: Document, message: type[Message]) -> tuple[Message | None, list[Diagnostic]]:
    """Return *document* as *message*, or None and every reason why it is none, each in its place.

    Null for an optional field counts as absent, and so does an empty `spec_version`.
    """
    value = _present(document.value, message)
    try:
        return msgspec.convert(value, message), []
    except msgspec.ValidationError as error:
        found = [document.locate(_in_words(problem, document)) for problem in _explain(value, message)]
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
    """Return the struct that the field *key* takes, None when it takes anything else."""
    if key not in fields:
        return None
    for option in _options(fields[key].type):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _options(kind: Any) -> Iterator[Any]:
    """Yield what *kind* is made of, through unions and annotations."""
    parts = get_args(kind)
    if not parts:
        yield kind
    for part in parts:
        yield from _options(part)


def _in_words(problem: Diagnostic, document: Document) -> Diagnostic:
    """Return a type problem in words that quote the document's own spelling, with the cure for a bare number."""
    if problem.code is not Code.TYPE:
        return problem
    position = document.position(problem.path)
    value = _at(document.value, problem.path)
    hint = problem.hint
    if problem.message == "text" and position.spelling is not None:
        hint = (
            f'write "{position.spelling}"' if len(position.spelling) <= MAX_SHOWN_CHARS else "put it in double quotes"
        )
    # A value of a spec's `env`, and whatever stands in the place of a secret's source, may be a secret.
    hidden = problem.path[:1] == ("env",) and isinstance(value, str)
    hidden = hidden or (problem.path[:1] == ("secrets",) and not isinstance(value, (dict, list)))
    if hidden and problem.path[:1] == ("secrets",):
        hint = problem.hint
    got = (
        "a value" if hidden and not isinstance(value, str) else "text" if hidden else describe(value, position.spelling)
    )
    message = f"expected {problem.message}, got {got}"
    return msgspec.structs.replace(problem, message=message, hint=hint)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _explain(value: Value, message: type[msgspec.Struct]) -> Iterator[Diagnostic]:
    from msgspec import inspect  # slow to import, and a good document never needs it

    yield from _Explainer(inspect).walk(value, inspect.type_info(message), ())


class _Explainer:
    """Walks a value beside its type; a type problem's message is what was expected."""

    def __init__(self, inspect: Any) -> None:
        self._inspect = inspect

    def walk(self, value: Value, kind: Any, path: Path) -> Iterator[Diagnostic]:
        inspect = self._inspect
        while isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.UnionType):
            # The only unions are of something and null.
            something = next(part for part in kind.types if not isinstance(part, inspect.NoneType))
            if value is not None:
                yield from self.walk(value, something, path)
        elif isinstance(kind, inspect.StructType):
            yield from self._struct(value, kind, path)
        elif isinstance(kind, inspect.DictType):
            yield from self._each(value, dict, "a mapping of text to text", kind.value_type, path)
        elif isinstance(kind, inspect.ListType):
            yield from self._each(value, list, "a list of text", kind.item_type, path)
        elif isinstance(kind, inspect.LiteralType):
            yield from self._literal(value, kind.values, path)
        else:
            yield from self._simple(value, kind, path)

    def _struct(self, value: Value, kind: Any, path: Path) -> Iterator[Diagnostic]:
        if not isinstance(value, dict):
            yield Diagnostic(
                Code.TYPE, "a mapping", path, f"it takes {_names(field.encode_name for field in kind.fields)}"
            )
            return
        fields = {field.encode_name: field for field in kind.fields}
        for key, item in value.items():
            if key in fields and item is None and not self._takes_null(fields[key].type):
                yield Diagnostic(Code.MISSING, "is required, got null", (*path, key), "give it a value")
            elif key in fields:
                yield from self.walk(item, fields[key].type, (*path, key))
            else:
                yield Diagnostic(Code.UNKNOWN, "unknown field", (*path, key), _nearest(key, fields))
        for name, field in fields.items():
            if field.required and name not in value:
                yield Diagnostic(Code.MISSING, f"the field {name} is required", path, f"add {name}")

    def _takes_null(self, kind: Any) -> bool:
        inspect = self._inspect
        return isinstance(kind, inspect.UnionType) and any(isinstance(part, inspect.NoneType) for part in kind.types)

    def _each(self, value: Value, shape: type, words: str, kind: Any, path: Path) -> Iterator[Diagnostic]:
        if not isinstance(value, shape):
            yield Diagnostic(Code.TYPE, words, path)
            return
        pairs = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
        for key, item in pairs:
            yield from self.walk(item, kind, (*path, key))

    def _literal(self, value: Value, values: tuple[Any, ...], path: Path) -> Iterator[Diagnostic]:
        known = tuple(SPECS) if path == ("spec_version",) else values
        hint = f"write {_names(known, 'or')}"
        if not isinstance(value, str):
            yield Diagnostic(Code.TYPE, "one of its values", path, hint)
        elif value not in values:
            yield Diagnostic(Code.VALUE, f"{quoted(value)} is not supported", path, hint)

    def _simple(self, value: Value, kind: Any, path: Path) -> Iterator[Diagnostic]:
        inspect = self._inspect
        if isinstance(kind, inspect.StrType):
            fits, words = isinstance(value, str), "text"
        elif isinstance(kind, inspect.BoolType):
            fits, words = isinstance(value, bool), "true or false"
        elif isinstance(kind, inspect.IntType):
            fits, words = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        else:
            fits, words = _is_timestamp(value), "a timestamp like 2026-05-24T15:30:00.000Z"
        if not fits:
            yield Diagnostic(Code.TYPE, words, path)


def _is_timestamp(value: Value) -> bool:
    from datetime import datetime
    from typing import Annotated

    try:
        msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        return False
    return True


def _names(names: Any, last: str = "and") -> str:
    *head, tail = map(str, names)
    return f"{', '.join(head)} {last} {tail}" if head else tail


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.strip().lower().replace("_", "-"), known, 1, 0.7)
    near = near or get_close_matches(name.strip().lower(), known, 1, 0.7)
    near = near or get_close_matches(name.strip().upper(), known, 1, 0.7)
    return f"did you mean {near[0]}?" if near else f"known are {_names(known)}"
