"""Composes a document from PyYAML's events: its value, positions and problems."""

from collections.abc import Iterator
from typing import Any

import msgspec
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from exec_cf.display import quoted, truncated
from exec_cf.document import schema
from exec_cf.document.model import Document, Limits, Position, Value
from exec_cf.document.scanner import Events, Mark
from exec_cf.errors import Code, Diagnostic, Path, Refused, is_secret


class Composer:
    """Composes the document of one text; not reusable."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._events = Events(text, limits.tokens, limits.depth)
        self.problems: list[Diagnostic] = []
        self._limits = limits
        self._positions: dict[Path, Position] = {}
        self._keys: dict[Path, Position] = {}
        self._anchors: dict[str, Value] = {}
        self._open: set[str] = set()
        self._nodes = 0
        self._aliases = 0

    def document(self) -> Document:
        """Return the document. Raises `Refused` if there is not exactly one, or it exceeds a limit."""
        self._events.take()
        if isinstance(self._events.ahead(), StreamEndEvent):
            raise Refused(
                [Diagnostic(Code.DOCUMENTS, "the input contains no document", hint="pipe one in, see --help")]
            )
        self._events.take()
        value = self._node((), 0)
        second = self._events.second_document(self._events.take())
        if second:
            hint = "send one document per call"
            raise Refused([_at(second, Diagnostic(Code.DOCUMENTS, "a second document begins here", hint=hint))])
        return Document(value, self._positions, self._keys, tuple(self.problems))

    def _node(self, path: Path, depth: int) -> Value:
        event: Any = self._events.take()
        self._count(event, depth)
        if isinstance(event, AliasEvent):
            self._positions[path] = _position(event)
            return self._alias(event, path)
        if event.anchor is not None:
            self._open.add(event.anchor)
        value = self._scalar(event, path) if isinstance(event, ScalarEvent) else self._collection(event, path, depth)
        if event.anchor is not None:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = value
        return value

    def _count(self, event: Any, depth: int) -> None:
        self._aliases += isinstance(event, AliasEvent)
        self._count_values(event.start_mark, 1)
        if depth > self._limits.depth:
            raise Refused([excess(f"{self._limits.depth} levels", event.start_mark)])
        if self._aliases > self._limits.aliases:
            raise Refused([excess(f"{self._limits.aliases} aliases", event.start_mark)])

    def _count_values(self, mark: Mark, values: int) -> None:
        self._nodes += values
        if self._nodes > self._limits.nodes:
            raise Refused([excess(f"{self._limits.nodes} values", mark)])

    def _alias(self, event: Any, path: Path) -> Value:
        name = event.anchor
        if name in self._anchors and name not in self._open:
            return self._anchors[name]
        alias, anchor = (
            ("the alias", "the anchor") if is_secret(path) else (f"*{truncated(name)}", f"&{truncated(name)}")
        )
        if name in self._open:
            message, hint = f"{alias} refers to a value that contains it", "refer to another value"
        else:
            message, hint = f"{alias} refers to no anchor", f"define {anchor} further up, or quote the value"
        raise Refused([_at(event.start_mark, Diagnostic(Code.SYNTAX, message, path, hint))])

    def _scalar(self, event: Any, path: Path) -> Value:
        self._positions[path] = _position(event)
        kind = self._core_tag(event, path)
        if kind is None:
            return schema.typed(event.value) if event.implicit[0] else self._text(event, path)
        if kind not in schema.SCALAR_KINDS:
            return self._text(event, path)
        value = schema.typed(event.value)
        if not schema.fits(kind, value):
            what = "the value" if is_secret(path) else quoted(event.value)
            self._note(event.start_mark, Diagnostic(Code.TAG, f"{what} is not a !!{kind}", path, "remove the tag"))
        return value

    def _text(self, event: Any, path: Path) -> str:
        """Return the scalar's text, joining surrogate pairs that were escaped as in JSON."""
        text: str = event.value
        if text.isascii():
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            message = "half of a surrogate pair is not a character"
            self._note(event.start_mark, Diagnostic(Code.ENCODING, message, path, "escape the whole character"))
            return ""

    def _collection(self, event: Any, path: Path, depth: int) -> Value:
        self._positions[path] = _position(event)
        self._core_tag(event, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, depth)
        items: list[Value] = []
        while not isinstance(self._events.ahead(), SequenceEndEvent):
            items.append(self._node((*path, len(items)), depth + 1))
        self._events.take()
        return items

    def _mapping(self, path: Path, depth: int) -> dict[str, Value]:
        result: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        seen: set[str] = set()
        while not isinstance(self._events.ahead(), MappingEndEvent):
            mark, key, merge = self._key(path, depth)
            if key is None:
                self._node((*path, "?"), depth + 1)
                continue
            if key in seen:
                hint = "keep one of them"
                self._note(mark, Diagnostic(Code.DUPLICATE, "occurs twice in the same mapping", (*path, key), hint))
                self._node((*path, "?"), depth + 1)
                continue
            seen.add(key)
            self._keys[(*path, key)] = Position(mark.line + 1, mark.column + 1)
            value = self._node((*path, key), depth + 1)
            if not merge:
                result[key] = value
                continue
            for source in self._sources(mark, value, (*path, key)):
                merged.update((name, item) for name, item in source.items() if name not in merged)
        self._events.take()
        return {**merged, **result}

    def _key(self, path: Path, depth: int) -> tuple[Mark, str | None, bool]:
        """Return the mark of the next key, its text (None if it is not text) and whether it is a merge key."""
        event = self._events.ahead()
        mark = event.start_mark
        if isinstance(event, ScalarEvent) and event.value == "<<" and event.tag in {None, schema.PREFIX + "merge"}:
            self._count(self._events.take(), depth)
            return mark, "<<", not event.style
        if isinstance(event, ScalarEvent) and event.anchor is None:
            self._count(self._events.take(), depth)
            self._core_tag(event, (*path, event.value))
            return mark, self._text(event, (*path, event.value)), False
        key = self._node((*path, "?"), depth + 1)
        if isinstance(key, str):
            return mark, key, False
        self._note(
            mark,
            Diagnostic(
                Code.TYPE,
                f"expected text as a key, got {schema.describe(key, secret=is_secret(path))}",
                path,
                "use plain text",
            ),
        )
        return mark, None, False

    def _sources(self, mark: Mark, value: Value, path: Path) -> Iterator[dict[str, Value]]:
        for source in value if isinstance(value, list) else [value]:
            self._count_values(mark, 1)
            if isinstance(source, dict):
                self._count_values(mark, len(source))
                yield source
            else:
                message = f"expected a mapping to merge, got {schema.describe(source, secret=is_secret(path))}"
                self._note(mark, Diagnostic(Code.TYPE, message, path, "refer to a mapping, or remove the key"))

    def _core_tag(self, event: Any, path: Path) -> str | None:
        """Return the kind that the event's core tag names, or None; another tag is reported as a problem."""
        tag: str | None = event.tag
        if tag is None:
            return None
        if tag == "!":
            return "str"
        kind = tag.removeprefix(schema.PREFIX)
        if tag.startswith(schema.PREFIX) and kind in schema.KINDS:
            return kind
        name = "" if is_secret(path) else " " + quoted(f"!!{kind}" if tag.startswith(schema.PREFIX) else tag)
        message = f"the tag{name} is not in YAML's core schema"
        self._note(event.start_mark, Diagnostic(Code.TAG, message, path, "remove it; text needs no tag"))
        return None

    def _note(self, mark: Mark, problem: Diagnostic) -> None:
        self.problems.append(_at(mark, problem))


def excess(what: str, mark: Mark) -> Diagnostic:
    """Return the diagnostic for a document that exceeds the limit *what* at *mark*."""
    return _at(mark, Diagnostic(Code.LIMIT, f"the document has more than {what}", hint="make it smaller"))


def _position(event: Any) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1, event.value if isinstance(event, ScalarEvent) else None)


def _at(mark: Mark, diagnostic: Diagnostic) -> Diagnostic:
    return msgspec.structs.replace(diagnostic, line=mark.line + 1, column=mark.column + 1)
