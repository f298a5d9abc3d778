"""The agent's NATS subjects, and the rules for their tokens."""

import re
from typing import NoReturn

from exec_cf import urls
from exec_cf.display import quoted
from exec_cf.errors import InvalidValue
from exec_cf.messages import BusBlock

AGENT = "open-agent"
"""The third token of the subjects, and how the Worker's health names it."""

MAX_TOKEN_BYTES = 255
"""Longest token that a Worker accepts, in bytes of UTF-8: two must fit into the control line of a NATS server."""

_MAX_PRINTED_CHARS = 5120
"""Longest token of a handle, in characters after percent-encoding."""

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff"
    "\u2800\U00013441\U00013442\U00016fe4\U0001d159]"
)
"""Printable for Python but invisible: Unicode's default-ignorable code points, and others that look like a space."""


def check_printed_token(text: str) -> None:
    """Raise `InvalidValue` unless *text* is a subject token that some release so far could have printed in a handle.

    NATS forbids white space and separates tokens by `.`; `*` and `>` are wildcards; a leading `$` is reserved for the
    server. Unprintable characters are refused too, since they would make the subject look like another one.
    """
    if not text:
        raise InvalidValue("is empty, but a NATS subject token is needed", "write a name")
    for char in text:
        if char in ".*> " or not char.isprintable():
            _refuse(text, char)
    if text.startswith("$"):
        message = f"{quoted(text)} is not a valid NATS subject token: it begins with $"
        raise InvalidValue(message, f"write {_mended(text)}")
    if len(text) > _MAX_PRINTED_CHARS or len(urls.escaped(text)) > _MAX_PRINTED_CHARS:
        raise InvalidValue(f"{quoted(text)} is longer than {_MAX_PRINTED_CHARS} characters in a URL", "shorten it")


def check_token(text: str) -> None:
    """Raise `InvalidValue` unless *text*, from the environment, is a subject token without invisible characters."""
    check_printed_token(text)
    invisible = _INVISIBLE.search(text)
    if invisible:
        _refuse(text, invisible.group())


def check_spec_token(text: str) -> None:
    """Raise `InvalidValue` unless *text*, from a spec, is a subject token that a Worker accepts."""
    check_token(text)
    if len(text.encode()) > MAX_TOKEN_BYTES:
        raise InvalidValue(f"{quoted(text)} is longer than {MAX_TOKEN_BYTES} bytes", "shorten it")


def _refuse(text: str, char: str) -> NoReturn:
    what = f"the character U+{ord(char):04X}" if _is_hidden(char) else quoted(char)
    message = f"{quoted(text)} is not a valid NATS subject token: it contains {what}"
    raise InvalidValue(message, f"write {_mended(text)}")


def _is_hidden(char: str) -> bool:
    return not char.isprintable() or bool(_INVISIBLE.match(char))


def _mended(text: str) -> str:
    mended = "".join("-" if char in ".*> $" or _is_hidden(char) else char for char in text).strip("-")
    return quoted(mended or "worker")


def bus(owner: str, session: str) -> BusBlock:
    """Return an open-agent's subjects (Synadia Agent Protocol v0.3, §2; the signal subject is the dispatcher's)."""
    who = f"{AGENT}.{owner}.{session}"
    return BusBlock(
        prompt=f"agents.prompt.{who}",
        status=f"agents.status.{who}",
        hb=f"agents.hb.{who}",
        signal=f"orch.signal.>.{who}",
    )


def owner_of(prompt: str) -> str:
    """Return the owner in *prompt*, the subject of an open-agent's prompts; empty for any other text."""
    match prompt.split("."):
        case ["agents", "prompt", agent, owner, _] if agent == AGENT:
            return owner
    return ""
