"""A stub resolver for C libraries whose own is too weak: one address family per query, and results as from glibc.

musl, which the one-file program is linked with, asks for both families at once and fails when one half does, ends a
search at the first domain that fails, and drops a long search list. Here each family is a question of its own, a domain
that fails is passed over, and a name server that fails gives way to the next. Queries go over UDP, and over TCP if the
response was truncated.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial

from exec_cf.errors import os_reason
from exec_cf.http import dns_messages, resolv_conf
from exec_cf.http.dns_messages import LookupFailed, Malformed, ServerFailed
from exec_cf.http.resolv_conf import Configuration

Remaining = Callable[[], float]
"""Returns the seconds that are left; raises `TimeoutError` if there are none."""

_MAX_NAME_BYTES = 253
_MAX_LABEL_BYTES = 63

_RESEND_S = 1.0
"""Seconds to wait for a name server before the next one is asked as well."""

_TCP_PATIENCE_S = 2.0
"""Seconds to wait for the rest of a truncated response, before the part that arrived is used."""


class ServersFailed(LookupFailed):
    """No name server gave a usable answer."""


def ask_system(host: str, family: socket.AddressFamily, remaining: Remaining) -> list[str]:
    """Return the addresses of *host* from the system's name servers. Raises `LookupFailed`, `TimeoutError`."""
    return ask(host, family, resolv_conf.read(), remaining)


def ask(host: str, family: socket.AddressFamily, config: Configuration, remaining: Remaining) -> list[str]:
    """Return the addresses of *host* in *family*, at least one.

    The search list is used as by glibc's res_search(3), which continues after a domain whose name server fails. Raises
    `LookupFailed` if none of the names has an address, `TimeoutError` if no answer arrives in time.
    """
    failure = LookupFailed("no such name")
    for name in filter(_is_name, _names(host, config)):
        try:
            return _Question(name, family, config, remaining).answer()
        except LookupFailed as failed:
            failure = failed
    raise failure


def _names(host: str, config: Configuration) -> Iterator[str]:
    """Yield the names to query: first the name as given if it has at least `ndots` dots."""
    bare = host.removesuffix(".")
    if host.endswith("."):
        yield bare
        return
    as_given_first = bare.count(".") >= config.ndots
    if as_given_first:
        yield bare
    yield from (f"{bare}.{domain}" if domain else bare for domain in config.search)
    if not as_given_first:
        yield bare


def _is_name(name: str) -> bool:
    labels = name.encode().split(b".")
    return all(0 < len(label) <= _MAX_LABEL_BYTES for label in labels) and len(name.encode()) <= _MAX_NAME_BYTES


class _Question:
    """A query for one name and family, sent to one name server after another until one answers."""

    def __init__(self, name: str, family: socket.AddressFamily, config: Configuration, remaining: Remaining) -> None:
        self._family = family
        self._servers = config.servers
        self._sends = config.attempts * len(config.servers)
        self._until = time.monotonic() + config.timeout_s * config.attempts
        self._remaining = remaining
        self._question = dns_messages.question(name, family)
        self._sockets: dict[int, tuple[socket.socket, str, bytes]] = {}
        self._failures: dict[str, str] = {}

    def answer(self) -> list[str]:
        """Return the addresses, at least one.

        Raises `LookupFailed` if there is none or no server answers, `TimeoutError` if the time is up.
        """
        poller = select.poll()
        try:
            return self._answer(poller)
        finally:
            for datagrams, _, _ in self._sockets.values():
                datagrams.close()

    def _answer(self, poller: select.poll) -> list[str]:
        for number in range(self._sends):
            host, port = self._servers[number % len(self._servers)]
            if host not in self._failures:
                self._send(host, port, poller)
            if host in self._failures:
                continue
            found = self._listen(poller, time.monotonic() + _RESEND_S, until_one_fails=True)
            if found:
                return found
        found = self._listen(poller, self._until, until_one_fails=False)
        if found:
            return found
        silent = [f"no answer from the name server {host}" for _, host, _ in self._sockets.values()]
        raise ServersFailed("; ".join([*self._failures.values(), *silent]))

    def _send(self, host: str, port: int, poller: select.poll) -> None:
        """Send the query to *host*, and note an immediate failure."""
        for datagrams, known, query in self._sockets.values():
            if known == host:
                self._try(host, partial(datagrams.send, query))
                return
        self._try(host, lambda: self._open(host, port, poller))

    def _open(self, host: str, port: int, poller: select.poll) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        try:
            datagrams.setblocking(False)
            # Connected sockets only receive from the server, and report refusals.
            datagrams.connect((host, port))
            query = dns_messages.query(self._question)
            datagrams.send(query)
        except BaseException:
            datagrams.close()
            raise
        self._sockets[datagrams.fileno()] = (datagrams, host, query)
        poller.register(datagrams, select.POLLIN)

    def _try(self, host: str, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self._failures[host] = f"the name server {host} cannot be asked: {os_reason(error)}"

    def _listen(self, poller: select.poll, end: float, *, until_one_fails: bool) -> list[str]:
        """Return the addresses from the first answer before *end*, or an empty list."""
        failed = len(self._failures)
        while self._sockets and not (until_one_fails and len(self._failures) > failed):
            wait = min(min(end, self._until) - time.monotonic(), self._remaining())
            if wait <= 0:
                break
            for number, _ in poller.poll(wait * 1000 + 1):
                found = self._receive(number, poller)
                if found:
                    return found
        return []

    def _receive(self, number: int, poller: select.poll) -> list[str]:
        """Return the addresses that a server sent; empty if it failed or sent none. Raises `LookupFailed`."""
        datagrams, host, query = self._sockets[number]
        try:
            message = datagrams.recv(65535)
            if not dns_messages.is_truncated(message, query):
                return dns_messages.addresses(message, query, self._family, host)
            whole = self._over_tcp(datagrams, query)
            if whole:
                return dns_messages.addresses(whole, query, self._family, host)
            return dns_messages.truncated_addresses(message, query, self._family, host)
        except (Malformed, BlockingIOError):
            return []  # possibly forged; the real response may still arrive
        except ServerFailed as failed:
            self._failures[host] = str(failed)
        except OSError as error:
            self._failures[host] = f"the name server {host} cannot be asked: {os_reason(error)}"
        poller.unregister(number)
        del self._sockets[number]
        datagrams.close()
        return []

    def _over_tcp(self, datagrams: socket.socket, query: bytes) -> bytes:
        """Return the whole response; empty if it does not arrive over TCP in time, as behind many firewalls."""
        end = time.monotonic() + _TCP_PATIENCE_S
        try:
            with socket.create_connection(datagrams.getpeername()[:2], self._left(end)) as stream:
                stream.sendall(struct.pack("!H", len(query)) + query)
                (length,) = struct.unpack("!H", self._receive_exactly(stream, 2, end))
                return self._receive_exactly(stream, length, end)
        except OSError:
            return b""

    def _left(self, end: float) -> float:
        """Return the seconds that are left until *end* at the latest. Raises `TimeoutError` if there are none."""
        left = min(end - time.monotonic(), self._remaining())
        if left <= 0:
            raise TimeoutError
        return left

    def _receive_exactly(self, stream: socket.socket, size: int, end: float) -> bytes:
        data = b""
        while len(data) < size:
            stream.settimeout(self._left(end))
            chunk = stream.recv(size - len(data))
            if not chunk:
                raise ConnectionResetError
            data += chunk
        return data
