"""Text that came from outside, made fit to be shown to a person."""

import re

_CREDENTIALS = re.compile(r"//\S*@")
_LONGEST = 120


def plain(text: str) -> str:
    """Return *text* as one printable line: what a terminal would obey is escaped, URL credentials are blotted out."""
    return _CREDENTIALS.sub("//***@", "".join(map(_printable, text)))


def shown(text: str) -> str:
    """Return *text* in double quotes, escaped and cut to a length that fits a line of a terminal or a log."""
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return '"' + plain(cut.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
