"""Encodes a message as JSON, or as block-style YAML that YAML 1.1 and 1.2 parsers read alike."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

_BARE = re.compile(r"[A-Za-z/][A-Za-z0-9_./:>+-]*[A-Za-z0-9_/]|[A-Za-z]")
"""Text that needs no quotes: it cannot be taken for an indicator, a number or a date, and has no `: ` or ` #`."""

_EXPONENT = re.compile(r"[eE][0-9]+")
"""Read as a number by lenient YAML 1.1 parsers."""

_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Read as a boolean or null by YAML 1.1 or 1.2, in any case."""


def render(message: msgspec.Struct) -> bytes:
    r"""Return *message* as one YAML document, its fields in the order of their declaration.

    Text is quoted wherever a parser of either version could read it as something else. The quotes are double, so
    that anything but printable ASCII becomes `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
    """
    return "".join(f"{line}\n" for line in _mapping(_shallow(message), "")).encode("ascii")


def render_json(message: msgspec.Struct) -> bytes:
    """Return *message* as one line of JSON, which is also YAML. What terminals could obey is escaped."""
    value = msgspec.to_builtins(message, builtin_types=(datetime,))
    text = msgspec.json.encode(_stamped(value)).decode()
    return (text if text.isprintable() else "".join(map(_escaped, text))).encode() + b"\n"


def encoded(message: msgspec.Struct, *, as_json: bool) -> bytes:
    """Return *message* as JSON or as YAML."""
    return render_json(message) if as_json else render(message)


def timestamp(moment: datetime) -> str:
    """Return *moment*, an aware datetime, as RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(char: str) -> str:
    # Beyond U+FFFF nothing steers a terminal, and JSON has no escape for it that parsers of YAML understand.
    return char if char.isprintable() or char > "\uffff" else f"\\u{ord(char):04x}"


def _stamped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stamped(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_stamped, value))
    return timestamp(value) if isinstance(value, datetime) else value


def _mapping(fields: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Yield the lines of *fields*, of which there is at least one."""
    for key, value in fields.items():
        name = f"{indent}{_scalar(key)}:"
        item = _shallow(value)
        if not item or not isinstance(item, dict | list):
            yield f"{name} {_scalar(item)}"
            continue
        yield name
        yield from _sequence(item, indent) if isinstance(item, list) else _mapping(item, f"{indent}  ")


def _sequence(items: Iterable[Any], indent: str) -> Iterator[str]:
    for item in map(_shallow, items):
        if item and isinstance(item, dict):
            first, *rest = _mapping(item, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(item)}"


def _shallow(value: Any) -> Any:
    """Return the fields of a struct by name, and anything else as it is: a list of agents is too long for a copy."""
    if not isinstance(value, msgspec.Struct):
        return value
    names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
    return {name: item for name, field in names if (item := getattr(value, field)) is not msgspec.UNSET}


def _scalar(value: Any) -> str:
    """Return text, a number, a boolean, null, a time, or an empty collection as it is written in YAML."""
    if isinstance(value, datetime):
        return timestamp(value)
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    is_bare = _BARE.fullmatch(value) and not _EXPONENT.fullmatch(value) and value.lower() not in _WORDS
    return value if is_bare else f'"{_UNSAFE.sub(_in_quotes, value)}"'


_UNSAFE = re.compile(r'[^ -~]|["\\]')


def _in_quotes(found: re.Match[str]) -> str:
    char = found.group()
    code = ord(char)
    if char in '"\\':
        return f"\\{char}"
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
