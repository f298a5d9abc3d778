"""Reads a document, and turns PyYAML's errors into diagnostics."""

from typing import Any

from yaml.error import MarkedYAMLError

from exec_cf.display import truncated
from exec_cf.document.composer import Composer, excess
from exec_cf.document.model import LIMITS, Document, Limits
from exec_cf.document.scanner import ForbiddenCharacter, LimitExceeded
from exec_cf.document.text import decode, forbidden
from exec_cf.errors import Code, Diagnostic, Refused


def read(data: bytes, limits: Limits = LIMITS) -> Document:
    """Read the single YAML document in *data*.

    Raises `Refused` if *data* is empty, exceeds a limit, is not UTF-8 or is not exactly one YAML document. Problems
    that leave the rest readable, such as a duplicate key or a foreign tag, become the document's `problems`.
    """
    if not data.strip():
        raise Refused([Diagnostic(Code.EMPTY, "the input is empty", hint="pipe the document in, see --help")])
    if len(data) > limits.size:
        hint = "move large content elsewhere"
        raise Refused([Diagnostic(Code.LIMIT, f"the input is larger than {limits.size // 1024} KiB", hint=hint)])
    text = decode(data)
    composer = Composer(text, limits)
    try:
        return composer.document()
    except Refused as refused:
        raise Refused((*composer.problems, *refused.problems)) from None
    except LimitExceeded as exceeded:
        raise Refused((*composer.problems, excess(exceeded.what, exceeded.mark))) from None
    except ForbiddenCharacter as character:
        raise Refused((*composer.problems, forbidden(text, character.index))) from None
    except MarkedYAMLError as error:
        raise Refused((*composer.problems, _syntax_error(error))) from None


def _syntax_error(error: MarkedYAMLError) -> Diagnostic:
    what = error.problem or ""
    if what.startswith(_UNDEFINED_HANDLE):
        what = _UNDEFINED_HANDLE
    hint = next((cure for words, cure in _CURES if words in what), "")
    if "%d" in hint and error.context_mark:
        hint %= error.context_mark.line + 1
    message = ": ".join(truncated(part) for part in ("not YAML", error.context, what) if part)
    mark: Any = error.problem_mark or error.context_mark
    return Diagnostic(Code.SYNTAX, message, hint=hint, line=mark.line + 1, column=mark.column + 1)


_UNDEFINED_HANDLE = "found undefined tag handle"
"""The handle follows, but is not shown: it may be an unquoted secret of `env`."""

_CURES = (
    ("mapping values are not allowed", 'quote text that holds ": "'),
    ("entries are not allowed", "begin the list on a line of its own, or quote the text"),
    ("mapping keys are not allowed", "begin the mapping on a line of its own, or quote the text"),
    ("tab in the indentation", "indent with spaces, not tabs"),
    ("found character '#'", "put a space before the comment, or quote the text"),
    ("cannot start any token", "quote the text"),
    ("expected <block end>", "align the keys, or quote the text"),
    ("expected ',' or", "close the bracket opened on line %d, or quote the text"),
    ("without its opening bracket", "remove it, or quote the text"),
    ("unexpected end of stream", "close the quotes opened on line %d"),
    ("unexpected document separator", "close the quotes opened on line %d"),
    ("could not find expected ':'", "write a colon and a space after the key"),
    ("expected the node content", "write a value there, or quote the text"),
    ("expected a name, and", "quote the text, * and & name anchors"),
    ("expected a tag, and", "quote the text, ! begins a tag"),
    (_UNDEFINED_HANDLE, "quote the text, ! begins a tag"),
    ("escape", "double the backslash, or use single quotes"),
    ("chomping or indentation", "begin the text on the next line, or quote it"),
    ("blank line indented deeper", "indent the blank lines no deeper than the text"),
    ("expected '<document start>'", "align the keys, or quote the text"),
    ("expected a name and its parameters", "remove the line, or quote the text"),
    ("expected a version", "write %YAML 1.2, or remove the line"),
    ("version 1.* is required", "write %YAML 1.2, or remove the line"),
    ("YAML directive", "keep one of them"),
    ("tag handle", "keep one of them"),
    ("expected a handle", "remove the line"),
)
"""A part of an error message about the syntax, and the hint for it; the first match is used."""
