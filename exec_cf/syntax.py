"""PyYAML's parser, with bounds and with the white space of YAML 1.2."""

import re
from typing import Any

from yaml.events import ScalarEvent
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

FORBIDDEN: re.Pattern[str] = Reader.NON_PRINTABLE
"""What no YAML text may hold unescaped (YAML 1.2.2, §5.1)."""


class TooManyTokens(Exception):  # noqa: N818  reads as a sentence at every raise
    """The text has more tokens than are read."""


class Events(Reader, Scanner, Parser):
    """The events of a YAML text, one after the other.

    PyYAML raises `yaml.YAMLError`, and `ValueError` or `OverflowError` for an escape that is no character.
    """

    def __init__(self, text: str, token_limit: int) -> None:
        disguised, self._disguised = _disguise(text)
        Reader.__init__(self, disguised)
        Scanner.__init__(self)
        Parser.__init__(self)
        self._tokens_left = token_limit

    def take(self) -> Any:
        """Return the next event and move past it."""
        return self._seen(self.get_event())  # type: ignore[no-untyped-call]

    def ahead(self) -> Any:
        """Return the next event."""
        return self._seen(self.peek_event())  # type: ignore[no-untyped-call]

    def _seen(self, event: Any) -> Any:
        """Return *event* with its text as it was written."""
        if self._disguised and isinstance(event, ScalarEvent):
            event.value = event.value.translate(self._disguised)
        return event

    def fetch_more_tokens(self) -> None:
        """Read one token more. Raises `TooManyTokens`."""
        self._tokens_left -= 1
        if self._tokens_left < 0:
            raise TooManyTokens
        super().fetch_more_tokens()

    def scan_to_next_token(self) -> None:
        """Skip white space, comments and line breaks.

        PyYAML refuses every tab here and walks comments one character at a time. A tab may separate tokens and stand
        in a line without any; it may not indent.
        """
        while True:
            self._skip(_BLANKS if self.flow_level or self.column else _INDENT)
            if self.peek() == "#":
                self._skip(_COMMENT)
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def _skip(self, run: re.Pattern[str]) -> None:
        found = run.match(self.buffer, self.pointer)
        length = found.end() - self.pointer if found else 0
        self.pointer += length
        self.index += length
        self.column += length


def _disguise(text: str) -> tuple[str, dict[int, str]]:
    """Return *text* with stand-ins for what YAML 1.1 takes for syntax and YAML 1.2 does not, and the way back.

    These are NEL, LS and PS, which 1.1 reads as line breaks, and a `?` inside a word, which PyYAML takes for the end of
    the word in a flow collection.
    """
    found = set(_MISREAD.findall(text))
    if not found:
        return text, {}
    unused = (char for char in map(chr, range(0xF0000, 0x10FFFE)) if char not in text)
    stand_ins = dict(zip(sorted(found), unused, strict=False))
    return _MISREAD.sub(lambda char: stand_ins[char.group()], text), {ord(s): char for char, s in stand_ins.items()}


_MISREAD = re.compile(r"[\x85\u2028\u2029]|(?<=[^\s\[\]{},])\?")
_INDENT = re.compile(r"[ \t]*(?=[#\r\n\0])|[ ]*")
_BLANKS = re.compile("[ \t]+")
_COMMENT = re.compile("[^\0\r\n\x85\u2028\u2029]+")
