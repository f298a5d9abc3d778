"""The core schema of YAML 1.2 (YAML 1.2.2, §10.3): which scalars are numbers, booleans and null."""

import math
import re
from types import NoneType

from exec_cf.display import quoted, truncated
from exec_cf.document.model import Value

PREFIX = "tag:yaml.org,2002:"
"""The prefix of the schema's tags, which `!!` abbreviates."""

_TYPES: dict[str, type | tuple[type, ...]] = {"null": NoneType, "bool": bool, "int": int, "float": (int, float)}
SCALAR_KINDS = frozenset(_TYPES)
KINDS = SCALAR_KINDS | {"str", "seq", "map"}
"""The tags of the schema, without the prefix."""

MAX_INTEGER_CHARS = 3500
"""A longer integer becomes an infinite float, since Python cannot convert such integers back to text."""

_NUMBER = re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def typed(text: str) -> Value:
    """Return the value of the plain scalar *text*."""
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if not number:
        return text
    if not number.group(1):
        return float(text)
    if len(text) > MAX_INTEGER_CHARS:
        return math.inf
    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


def fits(kind: str, value: Value) -> bool:
    """Return whether *value*, from a plain scalar, matches *kind*, one of `SCALAR_KINDS`."""
    return isinstance(value, _TYPES[kind]) and not (isinstance(value, bool) and kind != "bool")


def describe(value: Value, spelling: str | None = None, *, secret: bool = False) -> str:
    """Return a description of *value* for an error message: `the number 8080`, `a mapping`.

    A *secret* is not quoted.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean" if secret else "the boolean " + (spelling or str(value).lower())
    if isinstance(value, int | float):
        return "a number" if secret else "the number " + truncated(spelling or str(value))
    if isinstance(value, str):
        return "text" if secret else f"the text {quoted(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"
