"""Encodes a message as JSON, or as block-style YAML that YAML 1.1 and 1.2 parsers read alike."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from yaml import SafeDumper, ScalarNode, dump
from yaml.emitter import ScalarAnalysis

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
    value = msgspec.to_builtins(message, builtin_types=(datetime,))
    text: str = dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=_UNBROKEN)
    return text.encode("ascii")


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


_UNBROKEN = 1 << 30


class _Dumper(SafeDumper):
    """PyYAML's dumper with the quoting rule above, and without anchors.

    PyYAML would analyze each text twice, one character at a time, although the rule has already decided: for a long
    session that takes seconds.
    """

    ESCAPE_REPLACEMENTS = {'"': '"', "\\": "\\"}  # type: ignore[misc]  # noqa: RUF012  PyYAML's table

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        empty = not scalar
        return ScalarAnalysis(
            scalar,
            empty=empty,
            multiline=False,
            allow_flow_plain=True,
            allow_block_plain=True,
            allow_single_quoted=False,
            allow_double_quoted=True,
            allow_block=False,
        )

    def write_plain(self, text: str, split: bool = True) -> None:  # noqa: ARG002  PyYAML's signature
        self.write_indicator(text, need_whitespace=True)


def _text(dumper: SafeDumper, text: str) -> ScalarNode:
    bare = _BARE.fullmatch(text) and not _EXPONENT.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if bare else '"')


def _moment(dumper: SafeDumper, moment: datetime) -> ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:timestamp", timestamp(moment))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(datetime, _moment)
