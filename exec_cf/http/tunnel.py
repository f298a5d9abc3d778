"""TLS inside TLS, for an https Worker behind an https proxy."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import httpcore

_RECORD_BYTES = 16 * 1024 + 256
"""The largest TLS record with its overhead (RFC 8446, section 5.2)."""


class Tunnel(httpcore.NetworkStream):
    """TLS over another stream, which enforces the deadline."""

    def __init__(self, outer: httpcore.NetworkStream, context: ssl.SSLContext, name: str) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._pump(self._inner.do_handshake)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  the outer stream has the deadline
        """Return received bytes, empty at the end."""
        try:
            data: bytes = self._pump(lambda: self._inner.read(max_bytes))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  the outer stream has the deadline
        """Send all of *buffer*."""
        rest = memoryview(buffer)
        while rest:
            rest = rest[self._pump(lambda: self._inner.write(rest)) :]  # noqa: B023  called at once

    def close(self) -> None:
        """Close the connection."""
        self._outer.close()

    def get_extra_info(self, info: str) -> Any:
        """Return the info of the outer stream."""
        return self._outer.get_extra_info(info)

    def _pump(self, act: Callable[[], Any]) -> Any:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._outer.read(_RECORD_BYTES)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._outer.write(self._outgoing.read())
