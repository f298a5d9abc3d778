"""Hypothesis strategies made from the message structs, so that a new field is searched without a word here."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

TEXT = st.text(max_size=40)
"""Any text but half a surrogate pair, which no UTF-8 holds."""

_WORTH_TRYING = st.sampled_from(
    [
        *(
            "",
            " ",
            "\n",
            "~",
            "null",
            "Null",
            "true",
            "no",
            "Off",
            "y",
            "=",
            "<<",
            "-",
            "?",
            ":",
            "-1",
            "0x1F",
            "0o7",
            "1e3",
        ),
        *(
            ".5",
            ".inf",
            ".NaN",
            "12:30",
            "1_000",
            "2026-01-01",
            "2026-05-24T15:30:00Z",
            "# no",
            "a #b",
            "a: b",
            "a:",
            "- a",
        ),
        *(
            "!t",
            "&a",
            "*a",
            "%d",
            "@a",
            "`a",
            "|",
            ">",
            "'",
            '"',
            "[",
            "{",
            "\\",
            "\t",
            "\r",
            "\x85",
            "\u2028",
            "\ufeff",
            "\0",
        ),
        *("\x7f", "\x9b", "\ud7ff", "\ue000", "\ufffe", "\U0010ffff", "---", "...", "a\n---\nb", "x" * 200, "é", "😀"),
    ]
)
ANY_TEXT = st.one_of(_WORTH_TRYING, TEXT, st.builds("".join, st.lists(st.one_of(_WORTH_TRYING, TEXT), max_size=3)))
_MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


def messages(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for everything that *kind* can hold."""
    return _of(inspect.type_info(kind))


_UNSET = inspect.type_info(msgspec.UnsetType)
_SIMPLE: dict[type[Any], st.SearchStrategy[Any]] = {
    inspect.StrType: ANY_TEXT,
    inspect.BoolType: st.booleans(),
    inspect.NoneType: st.none(),
    inspect.IntType: st.integers(-(10**17) + 1, 10**17 - 1),
    inspect.DateTimeType: _MOMENTS,
}


def _of(kind: Any) -> st.SearchStrategy[Any]:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    match kind:
        case inspect.StructType():
            return _struct(kind)
        case inspect.UnionType():
            return st.one_of(*(_of(part) for part in kind.types if part != _UNSET))
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.DictType():
            return st.dictionaries(_of(kind.key_type), _of(kind.value_type), max_size=4)
        case inspect.ListType():
            return st.lists(_of(kind.item_type), max_size=4)
    is_bounded = isinstance(kind, inspect.IntType) and kind.ge is not None
    return st.integers(kind.ge, kind.le) if is_bounded else _SIMPLE[type(kind)]


def _struct(kind: inspect.StructType) -> st.SearchStrategy[Any]:
    required = {field.name: _of(field.type) for field in kind.fields if field.required}
    optional = {field.name: _of(field.type) for field in kind.fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: kind.cls(**fields))
