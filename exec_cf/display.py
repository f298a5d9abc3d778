"""Text from outside, made safe to show."""

import re

MAX_SHOWN_CHARS = 120
"""Characters of a value that are shown."""

_MAX_READ_CHARS = 1024
"""Characters of a value that are looked at to show it: thousands of diagnostics can be about the same long text."""

_WORD = re.compile("[^ ]+")


def printable(text: str) -> str:
    """Return *text* as one printable line: control characters are escaped, credentials of URLs replaced by `***`."""
    return _escaped(_masked(text))


def truncated(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """Return *text* made printable and cut, where *limit* is at most 1000.

    Credentials are replaced first: when it is cut, a password could lose the @ it is known by.
    """
    visible = _escaped(_masked(_head(text))[: limit + 1])
    return visible if len(visible) <= limit else visible[:limit] + "…"


def quoted(text: str) -> str:
    """Return *text* in double quotes, escaped and cut."""
    return '"' + truncated(_head(text).replace("\\", "\\\\").replace('"', '\\"')) + '"'


def quoted_url(text: str) -> str:
    """Return *text*, which should be a URL, in double quotes, printable and cut, without what could be a password."""
    visible = "***" + text[text.rindex("@") :] if "@" in text else text
    visible = visible if len(visible) <= MAX_SHOWN_CHARS else visible[:MAX_SHOWN_CHARS] + "…"
    return f'"{printable(visible)}"'


def _head(text: str) -> str:
    """Return the beginning of a long *text*, without credentials whose @ is not in it."""
    if len(text) <= _MAX_READ_CHARS:
        return text
    head = text[:_MAX_READ_CHARS]
    begin = head.find("//", head.rfind(" ") + 1)
    return f"{head[:begin]}//***…" if begin >= 0 and text.find("@", _MAX_READ_CHARS) >= 0 else head


def _masked(text: str) -> str:
    return _WORD.sub(_without_credentials, text) if "@" in text else text


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(map(_printable, text))


def _without_credentials(word: re.Match[str]) -> str:
    text = word.group()
    start, end = text.find("//"), text.rfind("@")
    return f"{text[:start]}//***{text[end:]}" if 0 <= start < end else text


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
