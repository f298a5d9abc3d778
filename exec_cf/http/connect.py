"""Connections: races between addresses (RFC 8305), and streams that end with their exchange."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from exec_cf.errors import os_reason
from exec_cf.http.addresses import endpoint, family_of, is_loopback
from exec_cf.http.attempt import Attempt
from exec_cf.http.model import RequestError
from exec_cf.http.resolve import Lookup
from exec_cf.http.tunnel import Tunnel

CONNECTION_ATTEMPT_DELAY_S = 0.25
"""Seconds until the next address is tried in parallel (RFC 8305, section 5)."""

_ABORT_ON_CLOSE = struct.pack("ii", 1, 0)
"""`struct linger` with a timeout of zero, which discards unsent data."""


_HTTP = b"HTTP/"
"""How every response begins."""


class UnreachableError(RequestError):
    """No address of a host accepts a connection."""


class Backend(httpcore.NetworkBackend):
    """Opens connections for httpcore."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  the attempt's limit counts
        local_address: str | None = None,  # noqa: ARG002  likewise
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002  likewise
    ) -> httpcore.NetworkStream:
        """Return a connection to *host*, which may have brackets. Raises `UnreachableError` or `TimeoutError`."""
        connected = Race(host.strip("[]"), port, self._attempt).run()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._attempt.connected = True
        return Stream(connected, self._attempt)


class Race:
    """Connects to the addresses of a host in parallel; the first connection wins, and the others are closed."""

    def __init__(self, host: str, port: int, attempt: Attempt) -> None:
        self._host = host
        self._port = port
        self._attempt = attempt
        self._running: dict[int, tuple[socket.socket, str]] = {}
        self._tried: list[str] = []
        self._failures: dict[str, list[str]] = {}

    def run(self) -> socket.socket:
        """Return the connected socket. Raises `UnreachableError` if every address fails, or `TimeoutError`."""
        self._attempt.peer = self._host
        lookup = Lookup(self._host, self._attempt.limit())
        try:
            return self._run(lookup)
        finally:
            lookup.close()
            for loser, _ in self._running.values():
                loser.close()

    def _run(self, lookup: Lookup) -> socket.socket:
        next_at = 0.0
        while True:
            if not self._running or time.monotonic() >= next_at:
                address = lookup.take()
                if address is not None:
                    # An address that failed at once must not delay the next one.
                    is_under_way = self._begin(address)
                    next_at = time.monotonic() + CONNECTION_ATTEMPT_DELAY_S if is_under_way else 0.0
                    continue
                if not self._running and lookup.is_finished():
                    raise UnreachableError(self._failure(lookup))
            winner, failed = self._wait(lookup, next_at)
            if winner:
                return winner
            if failed:
                next_at = 0.0  # try the next address at once

    def _begin(self, address: str) -> bool:
        """Begin to connect, and return whether the connection is in progress."""
        self._tried.append(endpoint(address, self._port))
        self._attempt.peer = ", ".join(self._tried)
        try:
            opened = socket.socket(family_of(address), socket.SOCK_STREAM)
        except OSError as error:  # this machine may lack the family
            self._fail(address, error)
            return False
        opened.setblocking(False)
        code = opened.connect_ex((address, self._port))
        if code in {0, errno.EINPROGRESS, errno.EINTR}:
            self._running[opened.fileno()] = opened, address
            return True
        opened.close()
        self._fail(address, OSError(code, os.strerror(code)))
        return False

    def _wait(self, lookup: Lookup, next_at: float) -> tuple[socket.socket | None, bool]:
        """Wait for an event, and return the connected socket, if any, and whether a connection failed."""
        poller = select.poll()
        for number in self._running:
            poller.register(number, select.POLLOUT)
        if lookup.fileno() >= 0:
            poller.register(lookup.fileno(), select.POLLIN)
        wait = self._attempt.remaining()
        delay_s = lookup.delay_s()
        if delay_s is not None:
            wait = min(wait, max(delay_s, next_at - time.monotonic() if self._running else 0.0))
        failed = False
        for number, _ in poller.poll(max(0.0, wait) * 1000 + 1):
            if number not in self._running:
                continue
            opened, address = self._running.pop(number)
            code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._attempt.peer = endpoint(address, self._port)
                return opened, False
            opened.close()
            self._fail(address, OSError(code, os.strerror(code)))
            failed = True
        return None, failed

    def _fail(self, address: str, error: OSError) -> None:
        self._failures.setdefault(os_reason(error), []).append(endpoint(address, self._port))

    def _failure(self, lookup: Lookup) -> str:
        if not self._tried:
            return f"the name {self._host} was not found: {lookup.failure()}"
        return "; ".join(f"{reason} ({', '.join(addresses)})" for reason, addresses in self._failures.items())


class Stream(httpcore.NetworkStream):
    """A connected socket, with or without TLS. Every operation ends at the deadline of the attempt."""

    def __init__(self, connected: socket.socket, attempt: Attempt) -> None:
        self._socket = connected
        self._attempt = attempt
        self._is_encrypted = False
        self._carries_tls = False
        """Whether another TLS connection runs inside this one."""
        try:
            address, port, *_ = connected.getpeername()
        except OSError:  # the peer closed it at once
            raise ConnectionResetError from None
        self._is_loopback = is_loopback(address)
        self._endpoint = endpoint(address, port)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  the attempt's limit counts
        """Return received bytes, empty at the end. Raises `OSError`."""
        self._socket.settimeout(self._attempt.remaining())
        data = self._socket.recv(max_bytes)
        begins = bool(data) and not self._attempt.received
        self._attempt.received = self._attempt.received or bool(data)
        self._attempt.ended = not data
        if begins and not self._carries_tls and not _HTTP.startswith(data[: len(_HTTP)]):
            # Other protocols may then wait, until the time is up, for a line that would never come.
            raise httpcore.RemoteProtocolError
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  likewise
        """Send all of *buffer*.

        Raises `RequestError` instead of sending a secret unencrypted to any address that is not loopback. Only the
        connected socket shows the real peer, since a name may resolve to any address.
        """
        self._attempt.peer = self._endpoint
        if self._attempt.loopback_only and not self._is_encrypted and not self._is_loopback:
            raise RequestError(f"a token would be sent unencrypted to {self._endpoint}")
        try:
            while buffer:
                self._socket.settimeout(self._attempt.remaining())
                buffer = buffer[self._socket.send(buffer) :]
        except TimeoutError:
            raise
        except OSError as error:
            # The peer may have answered before it closed, so httpcore continues with reading.
            raise httpcore.WriteError from error

    def close(self) -> None:
        """Close the connection; unsent data of an unfinished exchange is discarded."""
        if not self._attempt.finished:
            with contextlib.suppress(OSError):  # it may be closed already
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_ON_CLOSE)
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  the attempt's limit counts
    ) -> httpcore.NetworkStream:
        """Return the stream with TLS. The server name has no trailing dot (RFC 6066)."""
        name = (server_hostname or "").strip("[]").removesuffix(".")
        try:
            if self._is_encrypted:
                self._carries_tls = True
                return Tunnel(self, ssl_context, name)
            self._socket.settimeout(self._attempt.remaining())
            encrypted = ssl_context.wrap_socket(self._socket, server_hostname=name)
            self._socket = encrypted
            if not encrypted.version():  # there is no handshake if the peer has closed the connection
                raise ConnectionResetError
        except BaseException:
            self.close()
            raise
        self._is_encrypted = True
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return whether an idle connection is readable, that is, closed; httpcore asks for nothing else."""
        if info != "is_readable":
            return None
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(0)) and not self._has_only_tls_records()

    def _has_only_tls_records(self) -> bool:
        """Return whether the readable data is only for TLS itself, such as a session ticket."""
        if not self._is_encrypted:
            return False
        self._socket.settimeout(0.0)
        try:
            self._socket.recv(1)
        except OSError as error:
            return isinstance(error, ssl.SSLWantReadError)
        return False
