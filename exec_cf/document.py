"""Bytes to a document: YAML as its 1.2 core schema types it, with the place of every value.

PyYAML reads the syntax. What differs from it here: plain scalars have the types of the core schema, so that `no`,
`12:30` and `2026-01-01` are text; keys are text as written; tabs may separate tokens, as YAML 1.2 has it; and every
input ends within fixed bounds (`LIMITS`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from exec_cf.display import quoted, truncated
from exec_cf.errors import Code, Diagnostic, Path, Refused
from exec_cf.syntax import FORBIDDEN, Events, TooManyTokens

Value = str | int | float | bool | list[Any] | dict[str, Any] | None


class Limits(msgspec.Struct, frozen=True):
    """How much is read; the bounds keep the worst input under about a second and 100 MiB."""

    size: int = 256 * 1024
    """Bytes of input."""
    depth: int = 32
    """Collections within collections."""
    nodes: int = 10_000
    """Scalars, collections, aliases, and the pairs that merge keys copy."""
    aliases: int = 1_000
    """Aliases alone."""
    tokens: int = 50_000
    """Tokens of the syntax, which bounds what yields no node, like directives."""


LIMITS = Limits()


class Position(msgspec.Struct, frozen=True):
    """Where a value stands, counted from 1, and how it is written there (a collection has no spelling)."""

    line: int
    column: int
    spelling: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A document's value, the spot of each of its parts, and the problems that left it readable."""

    value: Value
    positions: Mapping[Path, Position]
    keys: Mapping[Path, Position] = {}
    """Where the key of each field stands."""
    problems: tuple[Diagnostic, ...] = ()

    def position(self, path: Path) -> Position:
        """Return where *path* stands, or the nearest part above it that has a place of its own."""
        for length in range(len(path), -1, -1):
            found = self.positions.get(path[:length])
            if found is not None:
                return found if length == len(path) else Position(found.line, found.column)
        return Position(1, 1)

    def locate(self, problem: Diagnostic) -> Diagnostic:
        """Return *problem* with the line and column of its path, of the key where the key is what is wrong."""
        key = self.keys.get(problem.path) if problem.code in _OF_KEYS else None
        position = key or self.position(problem.path)
        return msgspec.structs.replace(problem, line=position.line, column=position.column)


_OF_KEYS = frozenset({Code.KEY, Code.UNKNOWN})


def read(data: bytes, limits: Limits = LIMITS) -> Document:
    """Read the one YAML document that *data* holds.

    Raises `Refused` when *data* is empty, exceeds a limit, is not UTF-8 or is not one YAML document. A duplicate key,
    a foreign tag and the like leave the rest readable: they stand in the document's `problems`.
    """
    if not data.strip():
        raise Refused([Diagnostic(Code.EMPTY, "the input is empty", hint="pipe the document in, see --help")])
    if len(data) > limits.size:
        hint = "it should name things, not carry them"
        raise Refused([Diagnostic(Code.LIMIT, f"the input is larger than {limits.size // 1024} KiB", hint=hint)])
    text = _decode(data)
    composer = _Composer(text, limits)
    try:
        return composer.document()
    except Refused as refused:
        raise Refused((*composer.problems, *refused.problems)) from None
    except MarkedYAMLError as error:
        raise Refused((*composer.problems, _syntax_problem(error))) from None
    except TooManyTokens:
        raise Refused((*composer.problems, composer.here(_excess(f"{limits.tokens} tokens")))) from None
    except (YAMLError, ValueError, OverflowError) as error:
        problem = composer.here(Diagnostic(Code.SYNTAX, f"not YAML: {truncated(str(error))}"))
        raise Refused((*composer.problems, problem)) from None


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refused([Diagnostic(Code.ENCODING, "the input is UTF-16", hint="save it as UTF-8", line=1, column=1)])
    try:
        text = data.decode().removeprefix(_MARK)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode().removeprefix(_MARK)
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise Refused([_misprint(before, message, "save the input as UTF-8")]) from None
    stray = FORBIDDEN.search(text)
    if stray:
        message = f"the character U+{ord(stray.group()):04X} is not allowed in YAML"
        raise Refused([_misprint(text[: stray.start()], message, "remove it, or escape it in double quotes")])
    return text


def _misprint(before: str, message: str, hint: str) -> Diagnostic:
    lines = _BREAK.split(before)
    return Diagnostic(Code.ENCODING, message, hint=hint, line=len(lines), column=len(lines[-1]) + 1)


_MARK = "\ufeff"
_BREAK = re.compile(r"\r\n|\r|\n")


def _syntax_problem(error: MarkedYAMLError) -> Diagnostic:
    mark: Mark | None = error.problem_mark or error.context_mark
    message = ": ".join(truncated(part) for part in ("not YAML", error.context, error.problem) if part)
    said = error.problem or ""
    hint = next((cure for words, cure in _CURES if words in said), "")
    if "%d" in hint and error.context_mark:
        hint %= error.context_mark.line + 1
    if mark is None:
        return Diagnostic(Code.SYNTAX, message, hint=hint)
    return Diagnostic(Code.SYNTAX, message, hint=hint, line=mark.line + 1, column=mark.column + 1)


_CURES = (
    ("mapping values are not allowed", 'quote text that holds ": "'),
    ("cannot start any token", "quote the text; indent with blanks, never with tabs"),
    ("expected <block end>", "line the keys up, or quote the text"),
    ("expected ',' or", "close the bracket of line %d, or quote the text"),
    ("unexpected end of stream", "close the quotes of line %d"),
    ("could not find expected ':'", "write a colon and a blank after the key"),
    ("expected the node content", "write a value there, or quote the text"),
    ("expected alphabetic or numeric", "quote the text, * and & name anchors"),
)
"""What PyYAML says, and what helps."""


class _Composer:
    """Events to a value, its spots and its problems."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._events = Events(text, limits.tokens)
        self.problems: list[Diagnostic] = []
        self._limits = limits
        self._positions: dict[Path, Position] = {}
        self._keys: dict[Path, Position] = {}
        self._anchors: dict[str, Value] = {}
        self._open: set[str] = set()
        self._nodes = 0
        self._aliases = 0

    def document(self) -> Document:
        self._events.take()
        if isinstance(self._events.ahead(), StreamEndEvent):
            raise Refused([Diagnostic(Code.DOCUMENTS, "the input holds no document", hint="pipe one in, see --help")])
        self._events.take()
        value = self._node((), 0)
        self._events.take()
        if isinstance(self._events.ahead(), DocumentStartEvent):
            mark = self._events.ahead().start_mark
            problem = Diagnostic(Code.DOCUMENTS, "a second document begins here", hint="send one document a call")
            raise Refused([_at(mark, problem)])
        return Document(value, self._positions, self._keys, tuple(self.problems))

    def here(self, problem: Diagnostic) -> Diagnostic:
        """Return *problem* with the place that the reading has come to."""
        return msgspec.structs.replace(problem, line=self._events.line + 1, column=self._events.column + 1)

    def _node(self, path: Path, depth: int) -> Value:
        event: Any = self._events.take()
        self._count(event, depth)
        if isinstance(event, AliasEvent):
            self._positions[path] = _position(event)
            return self._alias(event)
        if event.anchor is not None:
            self._open.add(event.anchor)
        value = self._scalar(event, path) if isinstance(event, ScalarEvent) else self._collection(event, path, depth)
        if event.anchor is not None:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = value
        return value

    def _count(self, event: Any, depth: int) -> None:
        self._aliases += isinstance(event, AliasEvent)
        self._hold(event.start_mark, 1)
        if depth > self._limits.depth:
            raise Refused([_at(event.start_mark, _excess(f"{self._limits.depth} levels"))])
        if self._aliases > self._limits.aliases:
            raise Refused([_at(event.start_mark, _excess(f"{self._limits.aliases} aliases"))])

    def _hold(self, mark: Mark, values: int) -> None:
        self._nodes += values
        if self._nodes > self._limits.nodes:
            raise Refused([_at(mark, _excess(f"{self._limits.nodes} values"))])

    def _alias(self, event: Any) -> Value:
        if event.anchor in self._open:
            problem = Diagnostic(
                Code.SYNTAX, f"the alias *{truncated(event.anchor)} stands inside the value that it names"
            )
            raise Refused([_at(event.start_mark, problem)])
        if event.anchor not in self._anchors:
            name = truncated(event.anchor)
            hint = f"define &{name} further up, or quote the value"
            raise Refused([_at(event.start_mark, Diagnostic(Code.SYNTAX, f"unknown alias *{name}", hint=hint))])
        return self._anchors[event.anchor]

    def _scalar(self, event: Any, path: Path) -> Value:
        self._positions[path] = _position(event)
        kind = self._core_tag(event, path)
        if kind is None:
            return _typed(event.value) if event.implicit[0] else self._text(event, path)
        if kind not in _FORMS:
            return self._text(event, path)
        if not _FORMS[kind].fullmatch(event.value):
            message = f"{quoted(event.value)} is not what the tag !!{kind} says"
            self._note(event.start_mark, Diagnostic(Code.TAG, message, path, "remove the tag"))
        return _typed(event.value)

    def _text(self, event: Any, path: Path) -> str:
        """Return the scalar's text, with the surrogate pairs that JSON escapes in joined."""
        text: str = event.value
        if not _SURROGATE.search(text):
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            problem = Diagnostic(
                Code.ENCODING, "half a surrogate pair is no character", path, "escape the whole character"
            )
            self._note(event.start_mark, problem)
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
                self._note(mark, Diagnostic(Code.DUPLICATE, "stands twice in the same mapping", (*path, key), hint))
                self._node((*path, "?"), depth + 1)
                continue
            seen.add(key)
            self._keys[(*path, key)] = Position(mark.line + 1, mark.column + 1)
            value = self._node((*path, key), depth + 1)
            if not merge:
                result[key] = value
                continue
            for source in self._sources(mark, value, (*path, key)):
                self._hold(mark, len(source))
                merged.update((name, item) for name, item in source.items() if name not in merged)
        self._events.take()
        return {**merged, **result}

    def _key(self, path: Path, depth: int) -> tuple[Mark, str | None, bool]:
        """Return the mark of the next key, its text (None where it is no text) and whether it merges."""
        event = self._events.ahead()
        mark = event.start_mark
        if isinstance(event, ScalarEvent) and event.value == "<<" and event.tag in {None, _CORE + "merge"}:
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
            Diagnostic(Code.TYPE, f"expected text as a key, got {describe(key)}", path, "write a plain name"),
        )
        return mark, None, False

    def _sources(self, mark: Mark, value: Value, path: Path) -> Iterator[dict[str, Value]]:
        for source in value if isinstance(value, list) else [value]:
            if isinstance(source, dict):
                yield source
            else:
                message = f"expected a mapping to merge, got {describe(source)}"
                self._note(mark, Diagnostic(Code.TYPE, message, path, "name a mapping, or remove the key"))

    def _core_tag(self, event: Any, path: Path) -> str | None:
        """Return the core kind that the event's tag names, None for no tag; a foreign tag becomes a problem."""
        tag: str | None = event.tag
        if tag is None:
            return None
        if tag == "!":
            return "str"
        kind = tag.removeprefix(_CORE)
        if tag.startswith(_CORE) and kind in _CORE_KINDS:
            return kind
        shorthand = f"!!{kind}" if tag.startswith(_CORE) else tag
        message = f"the tag {quoted(shorthand)} is not of YAML's core schema"
        self._note(event.start_mark, Diagnostic(Code.TAG, message, path, "remove it; text is text without a tag"))
        return None

    def _note(self, mark: Mark, problem: Diagnostic) -> None:
        self.problems.append(_at(mark, problem))


_CORE = "tag:yaml.org,2002:"
_FORMS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
_CORE_KINDS = {"str", "seq", "map", *_FORMS}
_EXACT_DIGITS = 18
_SURROGATE = re.compile("[\ud800-\udfff]")


def _typed(text: str) -> Value:
    """Return the value of a plain scalar (YAML 1.2.2, §10.3.2).

    Of a number that is no short integer only the type is kept: no message has a field for one.
    """
    if _FORMS["null"].fullmatch(text):
        return None
    if _FORMS["bool"].fullmatch(text):
        return text.lower() == "true"
    if _FORMS["int"].fullmatch(text) and len(text) <= _EXACT_DIGITS:
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FORMS["int"].fullmatch(text) or _FORMS["float"].fullmatch(text):
        return float("inf")
    return text


def describe(value: Value, spelling: str | None = None) -> str:
    """Return what *value* is, in the words of an error message: `the number 8080`, `a mapping`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "the boolean " + (spelling or str(value).lower())
    if isinstance(value, int | float):
        return "the number " + truncated(spelling or str(value))
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"


def _position(event: Any) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1, event.value if isinstance(event, ScalarEvent) else None)


def _at(mark: Mark, problem: Diagnostic) -> Diagnostic:
    return msgspec.structs.replace(problem, line=mark.line + 1, column=mark.column + 1)


def _excess(what: str) -> Diagnostic:
    return Diagnostic(Code.LIMIT, f"the document has more than {what}", hint="make it smaller")
