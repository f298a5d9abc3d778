"""Text from outside, made safe to show."""

import re

_WORD = re.compile(r"\S+")

MAX_SHOWN_CHARS = 120
"""Characters of a value that are shown."""


def printable(text: str) -> str:
    """Return *text* as one printable line: control characters are escaped, credentials of URLs replaced by `***`."""
    visible = text if text.isprintable() else "".join(map(_printable, text))
    return _WORD.sub(_without_credentials, visible) if "@" in visible else visible


def truncated(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """Return *text* made printable, and then cut: the other way round, a password could lose the @ it is known by."""
    visible = printable(text)
    return visible if len(visible) <= limit else visible[:limit] + "…"


def quoted(text: str) -> str:
    """Return *text* in double quotes, escaped and cut."""
    return '"' + truncated(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def quoted_url(text: str) -> str:
    """Return *text*, which should be a URL, in double quotes, printable and cut, without what could be a password."""
    visible = "***" + text[text.rindex("@") :] if "@" in text else text
    visible = visible if len(visible) <= MAX_SHOWN_CHARS else visible[:MAX_SHOWN_CHARS] + "…"
    return f'"{printable(visible)}"'


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
