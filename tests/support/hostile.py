"""Inputs that are designed to cost time, memory or stack, some of them valid as parts of a spec."""

from collections.abc import Callable

KIB = 1024

SHAPES: dict[str, Callable[[int], bytes]] = {
    "blanks": lambda size: b" " * size,
    "line breaks and a letter": lambda size: b"\n" * (size - 1) + b"a",
    "one word": lambda size: b"a" * size,
    "words": lambda size: b"word " * (size // 5),
    "one text in quotes": lambda size: b'"' + b"a" * (size - 2) + b'"',
    "escapes": lambda size: b'"' + b"\\u263a" * (size // 6) + b'"',
    "an open quote": lambda size: b'"' + b"a" * (size - 1),
    "folded lines": lambda size: b"a: b\n" + b" c\n" * (size // 3),
    "a literal block": lambda size: b"a: |\n" + b" c\n" * (size // 3),
    "blank lines in a block": lambda size: b"a: |\n" + b"\n" * size + b" c\n",
    "a comment": lambda size: b"#" * size,
    "comments": lambda size: b"# c\n" * (size // 4) + b"a: b\n",
    "open brackets": lambda size: b"[" * size,
    "pairs of brackets": lambda size: b"[]" * (size // 2),
    "nested brackets": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "open braces": lambda size: b"{" * size,
    "braces with keys": lambda size: b"{a: " * (size // 4),
    "commas": lambda size: b"[" + b"," * size,
    "items in brackets": lambda size: b"[" + b"a," * (size // 2) + b"]",
    "nested dashes": lambda size: b"- " * (size // 2),
    "items": lambda size: b"- a\n" * (size // 4),
    "empty items": lambda size: b"-\n" * (size // 2),
    "nested question marks": lambda size: b"? " * (size // 2),
    "question marks": lambda size: b"?\n" * (size // 2),
    "keys": lambda size: b"".join(b"k%d: v\n" % number for number in range(size // 10)),
    "the same key": lambda size: b"name: v\n" * (size // 8),
    "ever deeper keys": lambda size: b"".join(b" " * depth + b"a:\n" for depth in range(int(size**0.5))),
    "colons": lambda size: b": " * (size // 2),
    "a long key": lambda size: b"k" * size + b": v\n",
    "anchors": lambda size: b"".join(b"- &a%d x\n" % number for number in range(size // 12)),
    "aliases": lambda size: b"- &a x\n" + b"- *a\n" * (size // 5),
    "a billion laughs": lambda size: _laughs(b"[%s]", size),
    "merged laughs": lambda size: _laughs(b"{<<: [%s]}", size),
    "a large mapping merged often": lambda size: (
        b"a: &m {"
        + b", ".join(b"k%d: v" % number for number in range(size // 80))
        + b"}\nb:\n"
        + b"- {<<: *m}\n" * (size // 260)
    ),
    "a list of scalars merged often": lambda size: (
        b"a: [&l [" + b"x," * (size // 3) + b"], " + b"{<<: *l}," * (size // 27) + b"]"
    ),
    "a tag's long prefix used often": lambda size: (
        b"%TAG !e! " + b"t" * (size // 2) + b"\n--- [" + b"!e!a b, " * (size // 16)
    ),
    "a long key above much that is wrong": lambda size: (
        b'? "\\u202e' + "\u0301".encode() * (size // 4) + b'"\n: [' + b"!a b, " * (size // 12) + b"]"
    ),
    "brackets that may be keys": lambda size: b"{" * 30 + b"[" + b"a," * (size // 2),
    "similar fields": lambda size: b"".join(b"cf-durable-obj%d: 1\n" % number for number in range(size // 21)),
    "a value within itself": lambda size: b"&a [" + b"*a, " * (size // 4) + b"]",
    "tags": lambda size: b"- !t x\n" * (size // 7),
    "a long tag": lambda size: b"!" + b"t" * size + b" x",
    "escapes in a tag": lambda size: b"!<" + b"%41" * (size // 3) + b"> x",
    "an anchor's long name": lambda size: b"&" + b"a" * size + b" x",
    "directives": lambda size: b"%TAG ! x\n" * (size // 9) + b"--- a\n",
    "unknown directives": lambda size: b"%X y\n" * (size // 5) + b"--- a\n",
    "documents": lambda size: b"---\n" * (size // 4),
    "ends of documents": lambda size: b"a\n" + b"...\n" * (size // 4),
    "digits": lambda size: b"name: " + b"9" * size,
    "hex digits": lambda size: b"name: 0x" + b"f" * size,
    "a large exponent": lambda size: b"name: 1e" + b"9" * size,
    "tabs": lambda size: b"\t" * (size - 1) + b"a",
    "NUL": lambda size: b"\0" * size,
    "continuation bytes": lambda size: b"\x80" * size,
    "marks of byte order": lambda size: b"\xef\xbb\xbf" * (size // 3),
    "wide characters": lambda size: "😀".encode() * (size // 4),
    "line separators": lambda size: "\u2028".encode() * (size // 3) + b"a",
    "a session": lambda size: b"name: a\nagent: echo\ncf-worker: {script: 'http://h'}\nsession: " + b"s" * (size - 70),
    "bad environment keys": lambda size: b"env:\n" + b"".join(b" k%d: 1\n" % number for number in range(size // 10)),
    "bad labels": lambda size: b"labels: {" + b"".join(b"k%d: {}, " % number for number in range(size // 12)) + b"}",
    "unknown fields": lambda size: b"".join(b"f%d: 1\n" % number for number in range(size // 10)),
}
"""Named makers of about as many bytes as they are asked for."""


def _laughs(shape: bytes, size: int) -> bytes:
    lines = [b"a0: &a0 " + shape % b""] if b"<<" in shape else [b"a0: &a0 [lol]"]
    while sum(map(len, lines)) < min(size, 8 * KIB):
        before = b"*a%d" % (len(lines) - 1)
        lines.append(b"a%d: &a%d " % (len(lines), len(lines)) + shape % b", ".join([before] * 9))
    return b"\n".join(lines)
