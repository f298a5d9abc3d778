"""A document: a value, the position of each of its parts, and the limits for reading it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from exec_cf.errors import Code, Diagnostic, Path

Value = str | int | float | bool | list[Any] | dict[str, Any] | None


class Limits(msgspec.Struct, frozen=True):
    """The limits on input; they keep the worst case under about a second and 100 MiB."""

    size: int = 256 * 1024
    """Bytes of input."""
    depth: int = 32
    """Collections within collections."""
    nodes: int = 10_000
    """Scalars, collections and aliases, and for each merge key its sources and their pairs."""
    aliases: int = 1_000
    """Aliases alone."""
    tokens: int = 50_000
    """Tokens of the syntax; this also limits what yields no node, such as directives."""


LIMITS = Limits()


class Position(msgspec.Struct, frozen=True):
    """Where a value begins, counted from 1. *spelling* is a scalar as written, and None for a collection."""

    line: int
    column: int
    spelling: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A document's value, the position of each of its parts, and the problems that did not prevent reading it."""

    value: Value
    positions: Mapping[Path, Position]
    keys: Mapping[Path, Position] = {}
    """The position of each field's key."""
    problems: tuple[Diagnostic, ...] = ()

    def position(self, path: Path) -> Position:
        """Return the position of *path*, or of its nearest ancestor that has one."""
        for length in range(len(path), -1, -1):
            found = self.positions.get(path[:length])
            if found is not None:
                return found if length == len(path) else Position(found.line, found.column)
        return Position(1, 1)

    def locate(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return *diagnostic* with the line and column of its path, or of the key if the key is at fault."""
        key = self.keys.get(diagnostic.path) if diagnostic.code in _OF_KEYS else None
        position = key or self.position(diagnostic.path)
        return msgspec.structs.replace(diagnostic, line=position.line, column=position.column)


_OF_KEYS = frozenset({Code.KEY, Code.UNKNOWN})
