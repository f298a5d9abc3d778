"""What an exchange takes and gives: values only, so that importing them loads no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

MAX_BODY_BYTES = 64 * 1024
"""Bytes of a response's body that are read unless the request allows more; the rest is left unread."""

SECRET_HEADERS = frozenset({"authorization", "cf-access-client-id", "cf-access-client-secret"})
"""Headers that go to the origin of the request alone, and cross no network in the clear. In lower case."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and within how many milliseconds.

    With *read_body* the body of the response is part of the answer: it is waited for, no redirect is followed, and a
    body that cannot be read is an error. Without it a GET follows redirects to the same host, and of the body there is
    what came along with the head.
    """

    method: str
    url: str
    timeout_ms: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    read_body: bool = False
    body_limit: int = MAX_BODY_BYTES

    @property
    def has_secrets(self) -> bool:
        """Whether a header must not be read by anybody else than the receiver."""
        return any(name.lower() in SECRET_HEADERS for name in self.headers)


class Response(msgspec.Struct, frozen=True):
    """A response. The names in *headers* are in lower case; *body* is empty when it came in an encoding."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    url: str = ""
    """Where it came from, after redirects."""
    proxied: bool = False
    """Whether it came through a proxy in the clear, which may have given it itself."""
    resent: bool = False
    """Whether the request was sent twice: the connection that was kept broke before a response came."""

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case; empty when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def date(self) -> datetime | None:
        """When the response was made, by the clock of whoever made it (RFC 9110, section 6.6.1)."""
        return http_date(self.headers.get("date", ""))

    @property
    def retry_after_s(self) -> float | None:
        """How many seconds to wait before another attempt (RFC 9110, section 10.2.3); None when it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:_MAX_SECONDS_DIGITS])
        until = http_date(text)
        if until is None or self.date is None:
            return None
        return max(0.0, (until - self.date) / timedelta(seconds=1))


_MAX_SECONDS_DIGITS = 9


class RequestError(Exception):
    """There was no response; the text says why, in words for people, and quotes nothing that a peer sent."""


def http_date(text: str) -> datetime | None:
    """Return the time that *text* gives in the form of today (`Sun, 06 Nov 1994 08:49:37 GMT`), None for any other."""
    try:
        _, day, month, year, clock, zone = text.split()
        hour, minute, second = map(int, clock.split(":"))
        # A leap second has no place in a datetime.
        time = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return time if zone == "GMT" else None
