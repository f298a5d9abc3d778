"""PyYAML's parser, with bounds and with the white space of YAML 1.2."""

import re
from typing import Any

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

    def __init__(self, text: str, most_tokens: int) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self._tokens_left = most_tokens

    def take(self) -> Any:
        """Return the next event and move past it."""
        return self.get_event()  # type: ignore[no-untyped-call]

    def ahead(self) -> Any:
        """Return the next event."""
        return self.peek_event()  # type: ignore[no-untyped-call]

    def fetch_more_tokens(self) -> None:
        """Read one token more. Raises `TooManyTokens`."""
        self._tokens_left -= 1
        if self._tokens_left < 0:
            raise TooManyTokens
        super().fetch_more_tokens()

    def scan_to_next_token(self) -> None:
        """Skip white space, comments and line breaks.

        PyYAML refuses every tab here and walks comments one character at a time. A tab may separate tokens; it may
        not indent, which is where a block's first token could still begin.
        """
        while True:
            self._skip(_BLANKS if self.flow_level or not self.allow_simple_key else _SPACES)
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


_SPACES = re.compile("[ ]+")
_BLANKS = re.compile("[ \t]+")
_COMMENT = re.compile("[^\0\r\n\x85\u2028\u2029]+")
