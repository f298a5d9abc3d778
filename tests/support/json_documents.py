"""Random JSON documents, written in every way that RFC 8259 allows."""

import random

_STRINGS = (
    *(
        "",
        "<<",
        "=",
        "no",
        "null",
        "~",
        "true",
        "1",
        "a: b",
        "- a",
        "# x",
        " #x",
        "*a",
        "&a",
        "!t",
        "?",
        "a?b",
        ":",
        "::",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        '"',
        "\\",
        "\n",
        "\t",
        "\r",
        "\0",
        "\x1b",
        "---",
        "...",
        "%YAML",
        "@",
        "`",
        "|",
        ">",
    ),
    *(
        "/",
        " ",
        "  leading",
        "trailing  ",
        "\x7f",
        "\x80",
        "\x85",
        "\x9f",
        "\u2028",
        "\ufeff",
        "\ufffe",
        "\uffff",
        "😀",
    ),
    *("\U0010ffff", "x" * 1100),
)
_NUMBERS = (
    *("0", "-0", "1", "-1", "10", "9" * 30, "0.5", "-0.0", "1e5", "1E+5", "1.5e-10", "-2.25E3", "1e400", "0e0"),
    *("9" * 400, "-" + "1" * 40, "0.1e1", "5e-324"),
)
_SHORT_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}


def json_document(rng: random.Random) -> str:
    """Return a document without repeated keys, with any white space between its tokens."""
    return _spaced(rng, _value(rng, 0))


def _value(rng: random.Random, depth: int) -> str:
    kind = rng.choice("snw" if depth > 5 else "snwaaoo")
    if kind == "a":
        return "[" + _items(rng, [_value(rng, depth + 1) for _ in range(rng.randrange(4))]) + "]"
    if kind == "o":
        keys = {_string(rng) for _ in range(rng.randrange(4))}
        pairs = [_escaped(rng, key) + _spaced(rng, ":") + _value(rng, depth + 1) for key in sorted(keys)]
        return "{" + _items(rng, pairs) + "}"
    if kind == "s":
        return _escaped(rng, _string(rng))
    return rng.choice(_NUMBERS) if kind == "n" else rng.choice(("true", "false", "null"))


def _items(rng: random.Random, items: list[str]) -> str:
    return ",".join(_spaced(rng, item) for item in items) or _space(rng)


def _spaced(rng: random.Random, text: str) -> str:
    return _space(rng) + text + _space(rng)


def _space(rng: random.Random) -> str:
    return "".join(rng.choices((" ", "\t", "\n", "\r", "\r\n"), k=rng.choice((0, 0, 0, 1, 1, 2, 5))))


def _string(rng: random.Random) -> str:
    return "".join(
        rng.choice(_STRINGS)
        if rng.random() < 0.5
        else chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000))))
        for _ in range(rng.choice((0, 1, 1, 2, 3)))
    )


def _escaped(rng: random.Random, text: str) -> str:
    return '"' + "".join(_char(rng, char) for char in text) + '"'


def _char(rng: random.Random, char: str) -> str:
    must = char in '"\\' or char < " "
    if char in _SHORT_ESCAPES and rng.random() < (0.7 if must else 0.3):
        return "\\" + _SHORT_ESCAPES[char]
    if must or rng.random() < 0.1:
        units = char.encode("utf-16-be").hex()
        escape = "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
        return escape if rng.random() < 0.5 else escape.upper().replace("U", "u")
    return char
