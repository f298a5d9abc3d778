"""The agent's NATS subjects, and what is valid as one of their tokens."""

from exec_cf import urls
from exec_cf.display import quoted
from exec_cf.errors import InvalidValue
from exec_cf.messages import BusBlock

MAX_TOKEN_CHARS = 5120
"""Characters of a token, percent-encoded as it is in URLs."""


def check_token(text: str) -> None:
    """Raise `InvalidValue` unless *text* is one token of a subject, and looks like what it is.

    NATS forbids white space and separates tokens by `.`; `*` and `>` are wildcards; a leading `$` is reserved for the
    server. Unprintable characters are refused too: the subject would look like another one.
    """
    if not text:
        raise InvalidValue("is empty, but a NATS subject token is needed", "write a name")
    for char in text:
        if char in ".*>" or char == " " or not char.isprintable():
            what = quoted(char) if char.isprintable() else f"the character U+{ord(char):04X}"
            raise InvalidValue(
                f"{quoted(text)} is not a valid NATS subject token: it contains {what}", f"write {_mended(text)}"
            )
    if text.startswith("$"):
        raise InvalidValue(
            f"{quoted(text)} is not a valid NATS subject token: it begins with $", f"write {_mended(text)}"
        )
    if len(text) > MAX_TOKEN_CHARS or len(urls.escaped(text)) > MAX_TOKEN_CHARS:
        raise InvalidValue(f"{quoted(text)} is longer than {MAX_TOKEN_CHARS} characters in a URL", "shorten it")


def _mended(text: str) -> str:
    mended = "".join(char if char.isprintable() and char not in ".*> $" else "-" for char in text).strip("-")
    return quoted(mended or "worker")


def bus(owner: str, session: str) -> BusBlock:
    """Return an open-agent's subjects (Synadia Agent Protocol v0.3, §2; the signal subject is the dispatcher's)."""
    who = f"open-agent.{owner}.{session}"
    return BusBlock(
        prompt=f"agents.prompt.{who}",
        status=f"agents.status.{who}",
        hb=f"agents.hb.{who}",
        signal=f"orch.signal.>.{who}",
    )
