"""Decodes bytes into text that YAML allows."""

import re

from exec_cf.errors import Code, Diagnostic, Refused


def decode(data: bytes) -> str:
    """Return the text of *data*, without a byte order mark at the start of the document.

    Raises `Refused` if *data* is not UTF-8, or has a character that YAML never allows (YAML 1.2.2, §5.1).
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refused([Diagnostic(Code.ENCODING, "the input is UTF-16", hint="save it as UTF-8", line=1, column=1)])
    try:
        text = _without_mark(data.decode())
    except UnicodeDecodeError as error:
        before = _without_mark(data[: error.start].decode())
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise Refused([_at_end_of(before, message, "save the input as UTF-8")]) from None
    stray = _CONTROL.search(text)
    if stray:
        raise Refused([forbidden(text, stray.start())])
    return text


def _without_mark(text: str) -> str:
    """Return *text* without its byte order mark, which may follow comments (YAML 1.2.2, §9.1.1)."""
    if _BYTE_ORDER_MARK not in text:
        return text
    prefix = re.match(r"(?:[ \t]*+(?:#[^\r\n]*+)?(?:\r\n?|\n))*+", text)
    begin = prefix.end() if prefix else 0
    return text[:begin] + text[begin:].removeprefix(_BYTE_ORDER_MARK)


def forbidden(text: str, index: int) -> Diagnostic:
    """Return the diagnostic for the character at *index*, which is not allowed there."""
    message = f"the character U+{ord(text[index]):04X} is not allowed in YAML"
    return _at_end_of(text[:index], message, "remove it, or escape it in double quotes")


def _at_end_of(before: str, message: str, hint: str) -> Diagnostic:
    lines = _BREAK.split(before)
    return Diagnostic(Code.ENCODING, message, hint=hint, line=len(lines), column=len(lines[-1]) + 1)


_BYTE_ORDER_MARK = "\ufeff"
_BREAK = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f]")
