"""Documents made to be costly: every construct of YAML and of a spec, repeated, nested, long, and used again.

A shape is a tree that is drawn once and written at any size, so that what costs much when it is small can be looked at
when it is as large as an input may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Protocol

import msgspec
from hypothesis import strategies as st

from exec_cf.messages import SpawnSpecV2


class Shape(Protocol):
    """Something that is written in about *size* bytes; *numbers* makes what must differ differ."""

    def write(self, size: int, numbers: Iterator[int]) -> str: ...


class Word(msgspec.Struct, frozen=True):
    """A text of fixed length; `%d` is replaced by a number."""

    text: str

    def write(self, size: int, numbers: Iterator[int]) -> str:  # noqa: ARG002  the protocol's signature
        return self.text.replace("%d", str(next(numbers))) if "%d" in self.text else self.text


class Long(msgspec.Struct, frozen=True):
    """A part over and over, between two others."""

    begin: str
    part: str
    end: str

    def write(self, size: int, numbers: Iterator[int]) -> str:
        begin = Word(self.begin).write(size, numbers)
        room = size - len((begin + self.end).encode())
        return begin + self.part * max(1, room // len(self.part.encode())) + self.end


class Many(msgspec.Struct, frozen=True):
    """As many copies of a shape as fit, each of *size* to the power of *share* bytes."""

    begin: str
    prefix: str
    shape: Shape
    separator: str
    end: str
    share: float

    def write(self, size: int, numbers: Iterator[int]) -> str:
        part = max(1, int(size**self.share))
        items: list[str] = []
        left = size - len(self.begin + self.end)
        while left > 0 or not items:
            item = Word(self.prefix).write(part, numbers) + self.shape.write(part, numbers) + self.separator
            items.append(item)
            left -= len(item.encode())
        return self.begin + "".join(items) + self.end


class Nested(msgspec.Struct, frozen=True):
    """A shape within *depth* collections."""

    begin: str
    shape: Shape
    end: str
    depth: int

    def write(self, size: int, numbers: Iterator[int]) -> str:
        around = len(self.begin + self.end) * self.depth
        return self.begin * self.depth + self.shape.write(max(1, size - around), numbers) + self.end * self.depth


class Parts(msgspec.Struct, frozen=True):
    """Shapes one after the other, which share the room."""

    shapes: list[Shape]

    def write(self, size: int, numbers: Iterator[int]) -> str:
        room = size // max(1, sum(not isinstance(shape, Word) for shape in self.shapes))
        return "".join(shape.write(room, numbers) for shape in self.shapes)


FIELDS = sorted(
    {field.encode_name for field in msgspec.structs.fields(SpawnSpecV2)}
    | {"script", "abort_endpoint", "layout", "headless", "bundle", "accessories", "do_id", "k%d", "K%d", '""', "nmae"}
)
CHARS = [
    *(
        "a",
        "A",
        "9",
        "-",
        ".",
        "/",
        "\\",
        "@",
        "//a:b@",
        "%41",
        "é",
        "ß",
        "İ",
        "😀",
        "\u202e",
        "\u0301",
        "\x7f",
        "\x85",
    ),
    *("\ufeff", "\u2028", " ", " a", "\t", "a ", ": ", ":a", "#", " #", "?", "*", "&", "!", "''", "\n", "\n ", "\r\n "),
    *("\\n", "\\x00", "\\u202e", "\\ud83d\\ude00", "\\ud800", "\\\n ", "{session}", "..", "./", "\ta"),
]
WORDS = [
    *(
        "a",
        "k%d",
        "1",
        "1.5",
        "~",
        "true",
        "''",
        '""',
        "[]",
        "{}",
        "*a",
        "*b",
        "*c%d",
        ".inf",
        "0x1f",
        "- a",
        "echo",
        "v2",
    ),
    *(
        "!x y",
        "!!int x",
        "!!str",
        "!!binary x",
        "!<x> y",
        "! x",
        "&a x",
        "&b []",
        "&c%d x",
        '"\\ud800"',
        "https://h",
        "ftp://h",
    ),
    *(
        "{a: b, a: b}",
        "{<<: *a}",
        "{<<: [*a, *b]}",
        "{<<: x}",
        "{*a : v}",
        "[? a : b]",
        "{[]: a}",
        "{? }",
        "https://a:b@h",
    ),
]
ODD_WORDS = [
    *('"\\q"', "!e!x y", "@", "`", "|", ">", "]", "}", "?", "-", "<<", "# c\n", "http://[::1]:80", "//h", "C:\\a")
]
PAIRS = [
    *(
        "k%d: v\n",
        "name: v\n",
        "k%d:\n",
        "<<: *a\n",
        "? k%d\n: v\n",
        "[a]: b\n",
        "&a%d k%d: v\n",
        "*a : v\n",
        "k%d: !x y\n",
        "a: b\n",
    ),
    *(
        "k%d: |\n a\n",
        "k%d: >\n a\n  b\n",
        "k%d: 'a\n b'\n",
        "k%d: &a [x]\n",
        "k%d: &a {x: y}\n",
        "# c\n",
        "\n",
        " \n",
        "\t\n",
        "é%d: v\n",
    ),
]
ODD_LINES = [
    *(
        "---\n",
        "...\n",
        "%TAG !e%d! x\n",
        "%TAG !e! x\n",
        "%YAML 1.2\n",
        "%X y\n",
        "- a\n",
        "-\n",
        "? a\n",
        ": b\n",
        "- - a\n",
    ),
    *("a\n", " a\n", "  a\n", "\r", "\ufeff", "- "),
]


def shapes() -> st.SearchStrategy[Shape]:
    """Return a strategy of whole documents: most are mappings, as specs are, and of some every line is odd."""
    values = st.recursive(_leaves(WORDS), _collections, max_leaves=5)
    pairs = st.one_of(
        st.sampled_from(PAIRS).map(Word),
        st.builds(Parts, st.tuples(_keys(), values, _NEWLINE).map(list)),
        st.builds(Parts, st.tuples(_keys(), values, _NEWLINE).map(list)),
        st.builds(Long, st.sampled_from(["k%d: |\n ", "k%d: >\n ", "# "]), st.sampled_from(CHARS), st.just("\n")),
    )
    under = st.builds(
        Many, st.sampled_from(["env:\n", "labels:\n", "tmux:\n", "a:\n"]), st.just(" "), pairs, _EMPTY, _EMPTY, _SHARES
    )
    begins = st.sampled_from(["- ", "? ", "--- ", "- - - ", "k%d: "]).map(Word)
    odd = st.one_of(
        st.sampled_from(ODD_LINES + PAIRS).map(Word),
        st.builds(Parts, st.tuples(begins, st.recursive(_leaves(WORDS + ODD_WORDS), _collections), _NEWLINE).map(list)),
        st.builds(Long, st.sampled_from(["%X ", "'", "? "]), st.sampled_from(CHARS), st.just("\n")),
    )
    return st.one_of(_lines(pairs | under), _lines(pairs | under), _lines(odd))


def _lines(line: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    """Return a strategy of lines, each once or as often as it fits."""
    return st.builds(
        Parts, st.lists(line | st.builds(Many, _EMPTY, _EMPTY, line, _EMPTY, _EMPTY, _SHARES), min_size=1, max_size=3)
    )


def combinations() -> Iterator[Shape]:
    """Yield what a random search may miss: every line repeated, and every value long, repeated, and used again."""
    yield from (Many("", "", Word(line), "", "", 0.0) for line in PAIRS + ODD_LINES)
    for (begin, end), char in product(_QUOTES, CHARS):
        yield Long("k: " + begin, char, end)
    for (begin, prefix, separator, end), word in product(_CONTEXTS, WORDS):
        values = Many(begin, prefix, Word(word), separator, end, 0.0)
        yield Parts([Word("k: "), values])
        for use in _USES:
            yield Parts([Word("k: [&a "), values, Word(", "), Many("", "", Word(use), ", ", "", 0.0), Word("]")])
    for char, word in product(CHARS, WORDS[::4]):
        yield Parts([Long('? "', char, '"\n: '), Many("[", "", Word(word), ", ", "]", 0.0)])


_EMPTY = st.just("")
_NEWLINE = st.just(Word("\n"))
_SHARES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9])
_CONTEXTS = [
    ("[", "", ", ", "]"),
    ("{", "k%d: ", ", ", "}"),
    ("{", "<<: ", ", ", "}"),
    ("{", "", ", ", "}"),
    ("{", "a: ", ", ", "}"),
]
_USES = ["*a", "[*a]", "{<<: *a}", "{<<: [*a, *a]}", "{*a : v}", "{k%d: *a}", "{a: b, <<: *a, c: d}", "? *a", "!x *a"]
_QUOTES = [
    ("", ""),
    ('"', '"'),
    ("'", "'"),
    ("&a ", ""),
    ('&a "', '"'),
    ("!", " x"),
    ("*", ""),
    ("https://", ""),
    ('"', ""),
]
_BRACKETS = [
    ("[", "]"),
    ("{a: ", "}"),
    ("{", "}"),
    ("[{", "}]"),
    ("{[", "]: a}"),
    ("{? ", "}"),
    ("[a, ", "]"),
    ("[", ""),
]


def _keys() -> st.SearchStrategy[Shape]:
    fields = st.sampled_from(FIELDS).map(lambda name: Word(name + ": "))
    long = st.builds(
        Long, st.sampled_from(['? "', "? '", "? "]), st.sampled_from(CHARS), st.sampled_from(['"\n: ', "'\n: ", "\n: "])
    )
    return fields | long


def _leaves(words: list[str]) -> st.SearchStrategy[Shape]:
    quotes = st.sampled_from(_QUOTES)
    long = st.builds(lambda quote, char: Long(quote[0], char, quote[1]), quotes, st.sampled_from(CHARS))
    return st.one_of(st.sampled_from(words).map(Word), st.sampled_from(words).map(Word), long)


def _collections(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    anchors = st.sampled_from(["", "&a ", "&b ", "!x ", "!!map "])
    many = st.builds(
        lambda anchor, context, shape, share: Many(
            anchor + context[0], context[1], shape, context[2], context[3], share
        ),
        anchors,
        st.sampled_from(_CONTEXTS),
        inner,
        _SHARES,
    )
    nested = st.builds(
        lambda pair, shape, depth: Nested(pair[0], shape, pair[1], depth),
        st.sampled_from(_BRACKETS),
        inner,
        st.sampled_from([1, 1, 2, 5, 20, 30, 40]),
    )
    pair = st.builds(lambda first, second: Parts([Word("["), first, Word(", "), second, Word("]")]), inner, inner)
    return many | nested | pair | _used_again(inner)


def _used_again(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    """Return a strategy of something large, and of as many uses of it as fit beside it."""
    return st.builds(
        lambda context, shape, use: Parts(
            [
                Word("[&a "),
                Many(context[0], context[1], shape, context[2], context[3], 0.0),
                Word(", "),
                Many("", "", Word(use), ", ", "", 0.0),
                Word("]"),
            ]
        ),
        st.sampled_from(_CONTEXTS[:3]),
        inner,
        st.sampled_from(_USES),
    )
