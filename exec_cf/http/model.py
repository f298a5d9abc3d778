"""The requests and responses of an exchange; importing them loads no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

MAX_BODY_BYTES = 64 * 1024
"""Default limit for a response's body, in bytes; the rest is not read."""

SECRET_HEADERS = frozenset({"authorization", "cf-access-client-id", "cf-access-client-secret"})
"""Headers that are sent only to the origin of the request, and never unencrypted over a network. In lower case."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its timeout in milliseconds.

    With *read_body*, the body of the response is read up to *body_limit*, redirects are not followed, and a body that
    cannot be read is an error. Without it, a GET follows redirects to the same host, and the body is whatever arrives
    with the headers.
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
        """Whether any header is a secret."""
        return any(name.lower() in SECRET_HEADERS for name in self.headers)


class Response(msgspec.Struct, frozen=True):
    """A response. The names in *headers* are in lower case; *body* is empty if it was encoded."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    url: str = ""
    """The URL after redirects."""
    proxied: bool = False
    """Whether it came through a proxy unencrypted, so that the proxy may have made it."""
    resent: bool = False
    """Whether the request was sent twice, because a reused connection broke before the response."""

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def date(self) -> datetime | None:
        """The time of the response by the server's clock (RFC 9110, section 6.6.1)."""
        return http_date(self.headers.get("date", ""))

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait before another attempt (RFC 9110, section 10.2.3), or None."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:_MAX_SECONDS_DIGITS])
        until = http_date(text)
        if until is None or self.date is None:
            return None
        return max(0.0, (until - self.date) / timedelta(seconds=1))


_MAX_SECONDS_DIGITS = 9


class RequestError(Exception):
    """There was no response. The text gives the cause, and quotes nothing that a peer sent."""


def http_date(text: str) -> datetime | None:
    """Return the time in *text*, in the preferred format (`Sun, 06 Nov 1994 08:49:37 GMT`), or None."""
    try:
        _, day, month, year, clock, zone = text.split()
        hour, minute, second = map(int, clock.split(":"))
        # datetime does not support leap seconds.
        time = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return time if zone == "GMT" else None
