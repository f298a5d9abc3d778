"""The core schema of YAML 1.2: what a plain scalar is."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf.document import describe
from exec_cf.document.schema import MAX_INTEGER_CHARS, fits, typed


@pytest.mark.parametrize(
    "text",
    [
        *("no", "No", "NO", "yes", "on", "off", "y", "n", "12:30", "1:2:3", "1_000", "2026-01-01", "=", "<<a"),
        *("2026-05-24T15:30:00Z", "0b1", "+0x1", "-0o7", "1e", "e1", ".", "+", "+.", "0x", "1.2.3", "0o8", "nUll"),
        *(
            "tRue",
            "-.nan",
            "+.NaN",
            "Inf",
            "1,000",
            "1 000",
            "~/x",
            "None",
            "10.0.0.1",
            "-",
            "a:b",
            "a#b",
            "\u0661\uff11",
            "1\n",
        ),
    ],
)
def test_what_yaml_1_1_or_a_person_could_take_for_a_value_is_text(text: str) -> None:
    assert typed(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, None) for word in ("~", "null", "Null", "NULL", "")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *(("0", 0), ("-0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("0o17", 15), ("0xFf", 255), ("9" * 40, 10**40 - 1)),
        *(("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), ("1e999", math.inf)),
        *((word, math.inf) for word in (".inf", ".Inf", ".INF", "+.inf")),
        *((word, -math.inf) for word in ("-.inf", "-.Inf", "-.INF")),
    ],
)
def test_the_core_schema_has_these_values(text: str, value: object) -> None:
    assert (typed(text), type(typed(text))) == (value, type(value))


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text: str) -> None:
    value = typed(text)
    assert isinstance(value, float)
    assert math.isnan(value)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_of_json_has_its_own_value(number: float) -> None:
    assert typed(json.dumps(number)) == number
    assert type(typed(json.dumps(number))) is type(number)


@pytest.mark.parametrize("text", ["9" * MAX_INTEGER_CHARS, "0x" + "f" * (MAX_INTEGER_CHARS - 2)])
def test_every_number_can_be_described(text: str) -> None:
    """Python turns no integer of more than 4300 digits into text."""
    assert describe(typed(text)).startswith("the number ")
    assert typed(text + "0") == math.inf


@pytest.mark.parametrize(
    ("kind", "value", "fit"),
    [
        ("null", None, True),
        ("null", "", False),
        ("bool", True, True),
        ("int", True, False),
        ("int", 1, True),
        ("int", 1.5, False),
        ("float", 1.5, True),
        ("float", 1, True),
        ("float", "x", False),
    ],
)
def test_what_a_tag_takes(kind: str, value: bool | int | str | None, fit: bool) -> None:
    assert fits(kind, value) is fit


@pytest.mark.parametrize(
    ("thing", "spelling", "words"),
    [
        (None, None, "null"),
        (True, "True", "the boolean True"),
        (False, None, "the boolean false"),
        (16, "0x10", "the number 0x10"),
        ("a\nb", None, 'the text "a\\x0ab"'),
        ({}, None, "a mapping"),
        ([], None, "a list"),
    ],
)
def test_values_in_words(thing: bool | int | str | None, spelling: str | None, words: str) -> None:
    assert describe(thing, spelling) == words
