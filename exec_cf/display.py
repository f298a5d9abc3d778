"""Makes untrusted text safe to show."""

import re
from collections.abc import Iterable, Sequence

MAX_SHOWN_CHARS = 120
"""Characters of a value that are shown."""

_MAX_NAMES = 20
"""Names that are shown of a long list."""

_MAX_READ_CHARS = 1024
"""Characters of a value that are processed at all, since thousands of diagnostics can quote the same long text."""

_PLAIN_WORD = re.compile("[A-Za-z0-9._/:+,@%-]+")
"""What no shell expands or splits."""

_WORD = re.compile("[^ ]+")


def printable(text: str) -> str:
    """Return *text* as one printable line: control characters are escaped, credentials of URLs replaced by `***`."""
    return _escaped(_masked(text))


def truncated(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """Return *text* made printable and cut to *limit* characters (at most 1000).

    Credentials are masked before cutting, which could remove the @ that identifies them.
    """
    visible = _escaped(_masked(_head(text))[: limit + 1])
    return visible if len(visible) <= limit else visible[:limit] + "…"


def quoted(text: str) -> str:
    """Return *text* in double quotes, escaped and cut."""
    return '"' + truncated(_head(text).replace("\\", "\\\\").replace('"', '\\"')) + '"'


def quoted_url(text: str) -> str:
    """Return *text*, meant as a URL, in double quotes, printable and cut.

    Everything before an @ is masked, and the query, which may hold a capability.
    """
    visible = "***" + text[text.rindex("@") :] if "@" in text else text
    path, mark, query = visible.partition("?")
    visible = f"{path}{mark}***" if query else visible
    visible = visible if len(visible) <= MAX_SHOWN_CHARS else visible[:MAX_SHOWN_CHARS] + "…"
    return f'"{printable(visible)}"'


def shell_word(text: str) -> str:
    """Return *text* as one word of a POSIX shell."""
    if _PLAIN_WORD.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def listed(names: Iterable[str], last: str = "and") -> str:
    """Return *names*, at least one, as in a sentence; *last* joins the last one: `a, b and c`."""
    *head, tail = names
    return f"{', '.join(head)} {last} {tail}" if head else tail


def first_few(names: Sequence[str]) -> str:
    """Return the first 20 of *names*, separated by commas, and how many more there are."""
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _head(text: str) -> str:
    """Return the beginning of *text*, without a URL whose credentials may extend past the cut."""
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
