"""PyYAML's scanner and parser, made to read YAML 1.2 within bounds.

PyYAML reads YAML 1.1 and leaves out parts of it: it refuses tabs between tokens and keys of flow mappings that span
lines (so it cannot read all JSON), names of anchors other than ASCII words, empty keys, and block scalars at the left
margin; it reads `[?x]` as a key, ends lines at NEL, and accepts comments that touch a token. It also scans scalars one
character at a time. This module corrects all of that: everything that scans characters is rewritten here following
YAML 1.2.2, while the grammar of tokens and the events remain PyYAML's. Names in brackets are productions of the
specification.

One leniency of PyYAML remains, since other parsers share it and the value is never in doubt: the lines of a flow
collection or of quoted text may be indented less than their parent, as in a `]` at the left margin.
"""

import re
import sys
from collections import deque
from functools import cache
from typing import Any, NoReturn

import msgspec
from yaml.events import DocumentEndEvent, DocumentStartEvent
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError, SimpleKey
from yaml.tokens import (
    DirectiveToken,
    DocumentEndToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    TagToken,
    ValueToken,
)


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A position in the text; lines and columns count from 0. It replaces `yaml.Mark`, which also stores the text."""

    line: int
    column: int


class LimitExceeded(Exception):  # noqa: N818  reads as a sentence at every raise
    """The text has too many tokens, or too deeply nested flow collections."""

    def __init__(self, what: str, mark: Mark) -> None:
        super().__init__(what)
        self.what = what
        self.mark = mark


class ForbiddenCharacter(Exception):  # noqa: N818  reads as a sentence at every raise
    """A character that is allowed only inside quotes is outside them, at *index* in the text."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class Events(Reader, Scanner, Parser):
    """The events of a YAML text, in order.

    The text must not contain NUL, which marks the end in PyYAML. Raises `yaml.MarkedYAMLError` for what is not YAML,
    `LimitExceeded` and `ForbiddenCharacter`.
    """

    def __init__(self, text: str, max_tokens: int, max_depth: int) -> None:
        self._quoted_only = _quoted_only(text)
        self._max_tokens = max_tokens
        self._max_depth = max_depth
        self._tokens_left = max_tokens
        self._flow_mappings: list[bool] = []
        self._tab: Mark | None = None
        self._last: Any = None
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self.tokens: Any = deque(self.tokens)

    def take(self) -> Any:
        """Return the next event and move past it."""
        return self.get_event()

    def ahead(self) -> Any:
        """Return the next event."""
        return self.peek_event()

    def second_document(self, end: DocumentEndEvent) -> Mark | None:
        """Return where a second document begins after *end*, the end of the first, or None if there is none.

        PyYAML expects `---` there; after `...` a document may also begin without it.
        """
        while self.check_token(DocumentEndToken):
            self.get_token()
        if self.check_token(StreamEndToken):
            return None
        if end.explicit:
            mark: Mark = self.peek_token().start_mark
            return mark
        following = self.ahead()
        mark = following.start_mark
        return mark if isinstance(following, DocumentStartEvent) else None

    # Characters.

    def check_printable(self, data: str) -> None:
        """Do nothing: the characters were checked before."""

    def forward(self, length: int = 1) -> None:
        """Move past *length* characters, none of which is a line break."""
        self.pointer += length
        self.index += length
        self.column += length

    def get_mark(self) -> Mark:  # type: ignore[override]  # it replaces PyYAML's own
        """Return the current position."""
        return Mark(self.line, self.column)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return pattern.match(self.buffer, self.pointer)

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Return the text that *pattern* matches here, and move past it. It always matches, and no line break."""
        found: Any = self._match(pattern)
        text: str = found.group()
        self.forward(len(text))
        return text

    def _move_lines(self, found: re.Match[str], breaks: int, column: int) -> None:
        """Move past *found*, which has *breaks* line breaks and then *column* characters."""
        self.pointer = self.index = found.end()
        self.line += breaks
        self.column = column

    def _fail(self, context: str | None, start: Any, problem: str, mark: Any = None) -> NoReturn:
        raise ScannerError(context, start, problem, mark or self.get_mark())  # type: ignore[arg-type]  # as above

    # Tokens.

    def get_token(self) -> Any:
        """Return the next token and move past it, in constant time, unlike PyYAML's own method."""
        while self.need_more_tokens():
            self.fetch_more_tokens()
        if not self.tokens:
            return None
        self.tokens_taken += 1
        return self.tokens.popleft()

    def fetch_more_tokens(self) -> None:
        """Read one more token."""
        self._tokens_left -= 1
        if self._tokens_left < 0:
            raise LimitExceeded(f"{self._max_tokens} tokens", self.get_mark())
        super().fetch_more_tokens()
        self._last = self.tokens[-1]
        if self._quoted_only:
            self._check_unquoted()

    def _check_unquoted(self) -> None:
        if self._quoted_only and self._quoted_only[-1] < self.pointer:
            raise ForbiddenCharacter(self._quoted_only[-1])

    def scan_to_next_token(self) -> None:
        """Skip white space, comments and line breaks [s-separate].

        A tab may separate tokens, but not indent them, and not precede a block collection that begins after a `-`, `?`
        or `:` on the same line [s-indent].
        """
        char = self.buffer[self.pointer]
        if self.column and (char not in _SEPARATORS or (char == "#" and not self._follows_white())):
            return
        found: Any = self._match(_SEPARATION)
        lines, spaces, rest = found.groups()
        line_start = bool(lines) or not self.column
        column = found.end() - found.end(1) + (0 if lines else self.column)
        self._move_lines(found, _count_breaks(lines), column)
        if self.flow_level:
            return
        if lines:
            self.allow_simple_key = True
        if line_start:
            self._tab = None
        if "\t" in rest and self.allow_simple_key and self.peek() != "\0":
            self._tab = Mark(self.line, column - len(rest) + rest.index("\t"))
            self.allow_simple_key = False
            if line_start and len(spaces) <= self.indent:
                self._refuse_tab()

    def _follows_white(self) -> bool:
        return self.buffer[self.pointer - 1] in _WHITE

    def _refuse_tab(self) -> None:
        """Fail if a tab precedes a block collection that would begin here."""
        if self._tab and not self.flow_level and not self.allow_simple_key:
            self._fail(None, None, "found a tab in the indentation", self._tab)

    # Implicit keys.

    def need_more_tokens(self) -> bool:
        """Return whether the next token may still turn out to be a key, so that more must be read first."""
        if self.done or not self.tokens:
            return not self.done
        return bool(self.possible_simple_keys) and self.next_possible_simple_key() == self.tokens_taken

    def next_possible_simple_key(self) -> int | None:
        """Return the number of the earliest token that may be a key."""
        self.stale_possible_simple_keys()
        for key in self.possible_simple_keys.values():
            number: int = key.token_number
            return number
        return None

    def stale_possible_simple_keys(self) -> None:
        """Forget the tokens that can no longer be keys.

        The keys are ordered from the outermost collection to the innermost, which is also the order of their tokens.
        """
        while self.possible_simple_keys:
            level, key = next(iter(self.possible_simple_keys.items()))
            if not self._is_stale(level, key):
                return
            if key.required:
                self._fail("while scanning a simple key", key.mark, "could not find expected ':'")
            del self.possible_simple_keys[level]

    def _is_stale(self, level: int, key: SimpleKey) -> bool:
        """Return whether *key* exceeds one line or 1024 characters [c-s-implicit-json-key].

        In a flow mapping there is no such limit [ns-flow-map-yaml-key-entry].
        """
        if level and self._flow_mappings[level - 1]:
            return False
        return bool(key.line != self.line or self.index - key.index > 1024)

    def fetch_value(self) -> None:
        """Read a colon; the key before it may be empty in a flow collection."""
        level = self.flow_level
        if level:
            key = self.possible_simple_keys.get(level)
            if key and self._is_stale(level, key):
                del self.possible_simple_keys[level]
            elif not key and isinstance(self._last, _BEFORE_ENTRY):
                mark = self.get_mark()
                self.tokens.append(KeyToken(mark, mark))
        elif not self.possible_simple_keys:
            self._refuse_tab()
        super().fetch_value()

    def fetch_key(self) -> None:
        """Read the question mark before a key."""
        self._refuse_tab()
        super().fetch_key()

    def fetch_block_entry(self) -> None:
        """Read the dash before an item."""
        self._refuse_tab()
        super().fetch_block_entry()

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803  PyYAML's name
        """Read an opening bracket."""
        if self.flow_level > self._max_depth:
            raise LimitExceeded(f"{self._max_depth} levels", self.get_mark())
        super().fetch_flow_collection_start(TokenClass)
        self._flow_mappings.append(TokenClass is FlowMappingStartToken)

    def fetch_flow_collection_end(self, TokenClass: Any) -> None:  # noqa: N803  PyYAML's name
        """Read a closing bracket."""
        if not self.flow_level:
            self._fail(None, None, f"found {self.peek()!r} without its opening bracket")
        super().fetch_flow_collection_end(TokenClass)
        self._flow_mappings.pop()

    # Recognizing tokens.

    def check_document_start(self) -> bool:
        """Return whether the `-` here begins a marker."""
        return not self.column and self._at_marker(self.pointer)

    def check_document_end(self) -> bool:
        """Return whether the `.` here begins a marker."""
        return not self.column and self._at_marker(self.pointer)

    def _at_marker(self, index: int) -> bool:
        """Return whether a `---` or `...` begins at *index*, the start of a line [c-forbidden]."""
        return self.buffer[index : index + 3] in {"---", "..."} and self.buffer[index + 3] in _WHITE

    def check_block_entry(self) -> bool:
        """Return whether the `-` here begins an item."""
        return self.peek(1) in _WHITE

    def check_key(self) -> bool:
        """Return whether the `?` here begins a key."""
        return self.peek(1) in _WHITE

    def check_value(self) -> bool:
        """Return whether the `:` here ends a key.

        After quotes and brackets in a flow collection the value may touch it [c-ns-flow-map-adjacent-value].
        """
        if not self.flow_level:
            return self.peek(1) in _WHITE
        return self.peek(1) in _WHITE_OR_FLOW or _is_json_like(self._last)

    def check_plain(self) -> bool:
        """Return whether a plain scalar begins here [ns-plain-first]."""
        char = self.peek()
        if char in "-?:":
            return self.peek(1) not in (_WHITE_OR_FLOW if self.flow_level else _WHITE)
        return char not in _INDICATORS

    # Directives, anchors and tags.

    def scan_directive(self) -> DirectiveToken:
        """Read a directive and the rest of its line [l-directive]; an unknown one has no effect."""
        start = self.get_mark()
        found = self._match(_rare("directive"))
        if not found:
            self._fail("while scanning a directive", start, "expected a name and its parameters")
        name, parameters = found.group(1), found.group(2).split()
        self.forward(found.end() - self.pointer)
        value: Any = None
        if name == "YAML":
            value = self._version(start, parameters)
        elif name == "TAG":
            value = self._tag_prefix(start, parameters)
        return DirectiveToken(name, value, start, self.get_mark())

    def _version(self, start: Mark, parameters: list[str]) -> tuple[int, int]:
        version = _rare("version").fullmatch(" ".join(parameters))
        if not version:
            self._fail("while scanning a directive", start, "expected a version like 1.2", start)
        return int(version.group(1)), int(version.group(2))

    def _tag_prefix(self, start: Mark, parameters: list[str]) -> tuple[str, str]:
        found = _rare("tag directive").fullmatch(" ".join(parameters))
        if not found:
            self._fail("while scanning a directive", start, "expected a handle like !e! and a prefix", start)
        return found.group(1), self._unescaped_uri(start, found.group(2))

    def scan_anchor(self, TokenClass: Any) -> Any:  # noqa: N803  PyYAML's name
        """Read an anchor or an alias [c-ns-anchor-property, c-ns-alias-node]."""
        start = self.get_mark()
        self.forward()
        name = self._take(_ANCHOR_NAME)
        if not name or not self._ends_property():
            context = f"while scanning an {TokenClass.id.strip('<>')}"
            self._fail(context, start, "expected a name, and white space after it")
        return TokenClass(name, start, self.get_mark())

    def scan_tag(self) -> TagToken:
        """Read a tag [c-ns-tag-property]."""
        start = self.get_mark()
        found: Any = self._match(_rare("tag"))
        self.forward(found.end() - self.pointer)
        if not self._ends_property():
            self._fail("while scanning a tag", start, "expected a tag, and white space after it")
        verbatim, handle, suffix = found.groups()
        value: tuple[str | None, str] = (None, "!")
        if verbatim:
            value = (None, self._unescaped_uri(start, verbatim))
        elif suffix:
            value = (handle, self._unescaped_uri(start, suffix))
        return TagToken(value, start, self.get_mark())

    def _ends_property(self) -> bool:
        return self.peek() in (_WHITE_OR_CLOSING if self.flow_level else _WHITE)

    def _unescaped_uri(self, start: Mark, uri: str) -> str:
        try:
            return _rare("escapes of a tag").sub(lambda run: bytes.fromhex(run.group().replace("%", "")).decode(), uri)
        except UnicodeDecodeError:
            self._fail("while scanning a tag", start, "the escapes of the tag are not UTF-8", start)

    # Scalars.

    def scan_plain(self) -> ScalarToken:
        """Read a plain scalar [ns-plain], and the lines that continue it."""
        start = self.get_mark()
        line = _PLAIN_IN if self.flow_level else _PLAIN_OUT
        chunks = [self._take(line)]
        end = self.get_mark()
        while self.peek() in _BLANKS and (found := self._continuation(line)):
            chunks += found
            end = self.get_mark()
        return ScalarToken("".join(chunks), True, start, end)

    def _continuation(self, line: re.Pattern[str]) -> tuple[str, str] | None:
        """Return the line folding and the text of the next line if it continues a plain scalar, and move past it."""
        fold = self._match(_FOLD)
        if not fold or (not self.flow_level and len(fold.group(2)) <= self.indent):
            return None
        begin = fold.end()
        text: Any = line.match(self.buffer, begin)
        if not text.group() or text.group()[0] == "#" or (begin == fold.end(1) and self._at_marker(begin)):
            return None
        self._skip_fold(fold)
        self.forward(len(text.group()))
        return _folded(fold), text.group()

    def _skip_fold(self, fold: re.Match[str]) -> None:
        self._move_lines(fold, _count_breaks(fold.group(1)) + 1, fold.end() - fold.end(1))

    def scan_flow_scalar(self, style: str) -> ScalarToken:
        """Read text in quotes [c-double-quoted, c-single-quoted]."""
        self._check_unquoted()
        start = self.get_mark()
        text_pattern = _IN_DOUBLE_QUOTES if style == '"' else _IN_SINGLE_QUOTES
        chunks: list[str] = []
        self.forward()
        while True:
            text = self._take(text_pattern)
            char = self.peek()
            if char in "\r\n":
                chunks += text.rstrip(" \t"), self._quoted_fold(start)
                continue
            chunks.append(text)
            if char == "\\":
                chunks.append(self._escape(start))
            elif char == "\0":
                self._fail("while scanning a quoted scalar", start, "found unexpected end of stream")
            elif char == self.peek(1) == "'":
                chunks.append("'")
                self.forward(2)
            else:
                break
        self.forward()
        while self._quoted_only and self._quoted_only[-1] < self.pointer:
            self._quoted_only.pop()
        return ScalarToken("".join(chunks), False, start, self.get_mark(), style)

    def _quoted_fold(self, start: Mark) -> str:
        """Move past line breaks in quotes, and return what they are folded into."""
        fold: Any = self._match(_FOLD)
        self._skip_fold(fold)
        if not self.column and self._at_marker(self.pointer):
            self._fail("while scanning a quoted scalar", start, "found unexpected document separator")
        return _folded(fold)

    def _escape(self, start: Mark) -> str:
        """Read an escape in double quotes [c-ns-esc-char]."""
        char = self.peek(1)
        if char in self.ESCAPE_REPLACEMENTS:
            self.forward(2)
            replacement: str = self.ESCAPE_REPLACEMENTS[char]
            return replacement
        if char in "\r\n":
            self.forward()
            breaks = self._quoted_fold(start)
            return "" if breaks == " " else breaks
        length = self.ESCAPE_CODES.get(char, 0)
        digits = self.buffer[self.pointer + 2 : self.pointer + 2 + length]
        if not length or len(digits) < length or not _HEX_DIGITS.issuperset(digits):
            self._fail("while scanning a double-quoted scalar", start, "found an unknown or unfinished escape")
        if int(digits, 16) > sys.maxunicode:
            self._fail("while scanning a double-quoted scalar", start, "found an escape beyond U+10FFFF")
        self.forward(2 + length)
        return chr(int(digits, 16))

    def scan_block_scalar(self, style: str) -> ScalarToken:
        """Read a literal or folded block [c-l+literal, c-l+folded]."""
        start = self.get_mark()
        header = self._match(_BLOCK_HEADER)
        if not header:
            self._fail("while scanning a block scalar", start, "expected chomping or indentation indicators")
        indicators = header.group(1)
        self._move_lines(header, len(header.group(2)) and 1, 0)
        chomping = indicators.strip("123456789")
        digit = indicators.strip("+-")
        lines, ended = self._block_lines(start, max(self.indent, 0) + int(digit) if digit else None)
        text = _block_text(lines, style == ">", chomping, ended)
        return ScalarToken(text, False, start, self.get_mark(), style)

    def _block_lines(self, start: Mark, indent: int | None) -> tuple[list[str], bool]:
        """Return the lines of a block without their indentation, and whether a break ends the last.

        If *indent* is None, the first line that is not blank determines it.
        """
        lines: list[str] = []
        longest_blank = 0
        while True:
            found: Any = self._match(_BLOCK_LINE)
            spaces, content, line_break = len(found.group(1)), found.group(2), found.group(3)
            if not content and not line_break and not spaces:
                return lines, True
            if content:
                if not spaces and self._at_marker(self.pointer):
                    return lines, True
                if indent is None and spaces > self.indent:
                    indent = spaces
                    if longest_blank > indent:
                        self._fail(
                            "while scanning a block scalar", start, "found a blank line indented deeper than the text"
                        )
                if self._ends_block(start, spaces, indent):
                    return lines, True
            longest_blank = max(longest_blank, spaces)
            lines.append(" " * (spaces - indent) + content if indent is not None else "")
            self._move_lines(found, 1 if line_break else 0, 0 if line_break else spaces + len(content))
            if not line_break:
                return lines, not content

    def _ends_block(self, start: Mark, spaces: int, indent: int | None) -> bool:
        """Return whether a line indented by *spaces* ends a block indented by *indent*."""
        if indent is not None and spaces >= indent:
            return False
        if self.peek(spaces) == "\t":
            mark = Mark(self.line, spaces)
            self._fail("while scanning a block scalar", start, "found a tab in the indentation", mark)
        return True

    # The grammar of tokens.

    def parse_implicit_document_start(self) -> Any:
        """Return the start of the first document, skipping document end markers before it [l-yaml-stream]."""
        while self.check_token(DocumentEndToken):
            self.get_token()
        return super().parse_implicit_document_start()

    def parse_block_mapping_key(self) -> Any:
        """Return the next key of a block mapping; it may be empty [ns-l-block-map-implicit-entry]."""
        if self.check_token(ValueToken):
            self.state = self.parse_block_mapping_value
            return self.process_empty_scalar(self.peek_token().start_mark)
        return super().parse_block_mapping_key()


def _is_json_like(token: Any) -> bool:
    if isinstance(token, ScalarToken):
        return token.style in {'"', "'"}
    return isinstance(token, FlowMappingEndToken | FlowSequenceEndToken)


def _count_breaks(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n") if text else 0


def _folded(fold: re.Match[str]) -> str:
    """Return what the line breaks of *fold* are folded into: one becomes a space, of several the first is dropped."""
    return "\n" * _count_breaks(fold.group(1)) or " "


def _block_text(lines: list[str], is_folded: bool, chomping: str, ended: bool) -> str:
    """Return the text of a block from its lines; *chomping* is `-`, `+` or empty."""
    count = len(lines)
    while count and not lines[count - 1]:
        count -= 1
    text = _fold_block(lines[:count]) if is_folded else "\n".join(lines[:count])
    if chomping == "-":
        return text
    end = "\n" if count and (ended or count < len(lines)) else ""
    return text + end + "\n" * (len(lines) - count) * (chomping == "+")


def _fold_block(lines: list[str]) -> str:
    """Return *lines* folded: a break between two lines that are not indented becomes a space [b-l-folded]."""
    chunks: list[str] = []
    blanks = 0
    previous = ""
    for line in lines:
        if not line:
            blanks += 1
            continue
        spaced = line[0] in " \t" or previous[:1] in {" ", "\t"}
        if not previous:
            chunks.append("\n" * blanks)
        elif spaced:
            chunks.append("\n" * (blanks + 1))
        else:
            chunks.append("\n" * blanks or " ")
        chunks.append(line)
        previous = line
        blanks = 0
    return "".join(chunks)


_BEFORE_ENTRY = (FlowEntryToken, FlowSequenceStartToken, FlowMappingStartToken)
_BLANKS = " \t\r\n"
_SEPARATORS = _BLANKS + "#"
_WHITE = _BLANKS + "\0"
_WHITE_OR_FLOW = _WHITE + ",[]{}"
_WHITE_OR_CLOSING = _WHITE + ",]}"
_INDICATORS = _WHITE_OR_FLOW + "-?:#&*!|>'\"%@`"
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")

_BREAK = r"(?:\r\n?|\n)"
_COMMENT = r"#[^\0\r\n]*+"
_SEPARATION = re.compile(rf"((?:[ \t]*+(?:{_COMMENT})?{_BREAK})*+)( *+)([ \t]*+(?:{_COMMENT})?)")
_FOLD = re.compile(rf"[ \t]*+{_BREAK}((?:[ \t]*+{_BREAK})*+)( *+)[ \t]*+")


def _plain_line(end: str) -> re.Pattern[str]:
    """Return the pattern of a line of a plain scalar [ns-plain-one-line]; the characters of *end* end it."""
    return re.compile(rf"(?:[^{end}: \t]++|:(?=[^{end} \t])|[ \t]++(?=[^{end}: \t#]|:[^{end} \t]))*+")


_PLAIN_OUT = _plain_line(r"\0\r\n")
_PLAIN_IN = _plain_line(r"\0\r\n,\[\]{}")
_IN_DOUBLE_QUOTES = re.compile(r'[^"\\\0\r\n]*+')
_IN_SINGLE_QUOTES = re.compile(r"[^'\0\r\n]*+")
_BLOCK_HEADER = re.compile(rf"[|>]([+-]?[1-9]?|[1-9][+-])(?:[ \t]++{_COMMENT}|[ \t]*+)({_BREAK}|(?=\0))")
_BLOCK_LINE = re.compile(rf"( *+)([^\0\r\n]*+)({_BREAK}?)")
_ANCHOR_NAME = re.compile(r"[^\0 \t\r\n,\[\]{}]*+")


_PARAMETERS = r"(?:[ \t]++[^\0 \t\r\n#][^\0 \t\r\n]*+)*+"
_TAG_CHARS = r"[0-9A-Za-z\-;/?:@&=+$._~*'()#]++|%[0-9A-Fa-f]{2}"
_URI = rf"(?:{_TAG_CHARS}|[!,\[\]])++"
_RARE = {
    "directive": rf"%([^\0 \t\r\n]++)({_PARAMETERS})(?:[ \t]++{_COMMENT}|[ \t]*+)(?=[\0\r\n])",
    "version": r"([0-9]{1,4})\.([0-9]{1,4})",
    "tag directive": rf"(!(?:[\w\-]*!)?) ({_URI})",
    "tag": rf"!<({_URI})>|(!(?:[\w\-]*+!)?)((?:{_TAG_CHARS})++)|!",
    "escapes of a tag": "(?:%[0-9A-Fa-f]{2})+",
    "only in quotes": "[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]",
}


@cache
def _rare(name: str) -> re.Pattern[str]:
    """Return a pattern that few documents need; compiling all of them takes as long as reading a typical document."""
    return re.compile(_RARE[name], re.ASCII)


def _quoted_only(text: str) -> list[int]:
    """Return the indexes, last first, of characters allowed only in quotes: in [nb-json] but not [c-printable]."""
    if text.isascii() and "\x7f" not in text:
        return []
    return [found.start() for found in _rare("only in quotes").finditer(text)][::-1]
