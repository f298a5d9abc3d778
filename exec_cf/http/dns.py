"""A stub resolver for C libraries whose own is too weak: one address family per query, and results as from glibc.

musl, which the one-file program is linked with, asks for both families at once and fails when one half does, ends a
search at the first domain that fails, and drops a long search list. Here each family is a question of its own
(RFC 1035), a domain that fails is passed over, and a name server that fails gives way to the next. Queries go over
UDP, and over TCP if the response was truncated.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from exec_cf.errors import os_reason
from exec_cf.http.addresses import literal

CONFIGURATION = "/etc/resolv.conf"
PORT = 53

Remaining = Callable[[], float]
"""Returns the seconds that are left; raises `TimeoutError` if there are none."""

_MAX_SERVERS = 3
_MAX_NDOTS = 15
_MAX_TIMEOUT_S = 30
_MAX_ATTEMPTS = 5
_MAX_NAME_BYTES = 253
_MAX_LABEL_BYTES = 63

_RESEND_S = 1.0
"""Seconds to wait for a name server before the next one is asked as well."""

_TCP_PATIENCE_S = 2.0
"""Seconds to wait for the rest of a truncated response, before the part that arrived is used."""

_TYPES = {socket.AF_INET: 1, socket.AF_INET6: 28}
_SIZES = {socket.AF_INET: 4, socket.AF_INET6: 16}
_INTERNET = 1
_RECURSION_DESIRED = 0x0100
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0080
_CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_NO_ERROR, _NO_SUCH_NAME = 0, 3


class LookupFailed(Exception):  # noqa: N818  reads as a sentence at every raise
    """A name cannot be resolved; the text says why."""


class ServersFailed(LookupFailed):
    """No name server gave a usable answer."""


class Configuration(NamedTuple):
    """The content of `resolv.conf`; see resolv.conf(5)."""

    servers: tuple[tuple[str, int], ...] = (("127.0.0.1", PORT),)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: int = 5
    attempts: int = 2


def configuration(text: str) -> Configuration:
    """Return the configuration in *text*, a `resolv.conf`; unknown lines and options are ignored."""
    servers: list[tuple[str, int]] = []
    search: tuple[str, ...] = ()
    options: dict[str, str] = {}
    for line in text.splitlines():
        keyword, *values = line.split("#")[0].split(";")[0].split() or [""]
        if keyword == "nameserver" and values and literal(values[0].partition("%")[0]) and len(servers) < _MAX_SERVERS:
            servers.append((values[0], PORT))
        elif keyword == "search":
            search = tuple(domain.strip(".") for domain in values)
        elif keyword == "domain":
            search = tuple(domain.strip(".") for domain in values[:1])
        elif keyword == "options":
            options.update(value.partition(":")[::2] for value in values)
    plain = Configuration()
    return Configuration(
        servers=tuple(servers) or plain.servers,
        search=search,
        ndots=_number(options, "ndots", plain.ndots, 0, _MAX_NDOTS),
        timeout_s=_number(options, "timeout", plain.timeout_s, 1, _MAX_TIMEOUT_S),
        attempts=_number(options, "attempts", plain.attempts, 1, _MAX_ATTEMPTS),
    )


def _number(options: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = options.get(name, "")
    return min(max(int(text[:6]), least), most) if text.isascii() and text.isdigit() else default


def ask_system(host: str, family: socket.AddressFamily, remaining: Remaining) -> list[str]:
    """Return the addresses of *host* from the system's name servers. Raises `LookupFailed`, `TimeoutError`."""
    try:
        with open(CONFIGURATION, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  pathlib is slow to load
            text = file.read()
    except OSError:
        text = ""
    return ask(host, family, configuration(text), remaining)


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


class _Malformed(Exception):  # noqa: N818  reads as a sentence at every raise
    """The message is not a response to the query."""


class _ServerFailed(Exception):  # noqa: N818  reads as a sentence at every raise
    """A name server gave no usable answer; the text says what it did."""


class _Question:
    """A query for one name and family, sent to one name server after another until one answers."""

    def __init__(self, name: str, family: socket.AddressFamily, config: Configuration, remaining: Remaining) -> None:
        self._family = family
        self._servers = config.servers
        self._sends = config.attempts * len(config.servers)
        self._until = time.monotonic() + config.timeout_s * config.attempts
        self._remaining = remaining
        labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
        self._body = labels + struct.pack("!BHH", 0, _TYPES[family], _INTERNET)
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
            query = os.urandom(2) + struct.pack("!HHHHH", _RECURSION_DESIRED, 1, 0, 0, 0) + self._body
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
            if not _is_truncated(message, query):
                return self._read(message, query, host)
            whole = self._over_tcp(datagrams, query)
            return self._read(whole, query, host) if whole else self._read_truncated(message, query, host)
        except (_Malformed, BlockingIOError):
            return []  # possibly forged; the real response may still arrive
        except _ServerFailed as failed:
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

    def _read(self, message: bytes, query: bytes, host: str) -> list[str]:
        flags, answers = _header(message, query)
        code = flags & 0xF
        if code == _NO_SUCH_NAME:
            raise LookupFailed(f"no such name (NXDOMAIN from the server {host})")
        if code != _NO_ERROR:
            raise _ServerFailed(f"the name server {host} failed ({_CODES.get(code, f'code {code}')})")
        if not answers and not flags & (_AUTHORITATIVE | _RECURSION_AVAILABLE):
            raise _ServerFailed(f"the name server {host} only refers to others")
        found = _addresses(message, len(query), answers, self._family)
        if not found:
            raise LookupFailed(f"the name has no address (by the server {host})")
        return found

    def _read_truncated(self, message: bytes, query: bytes, host: str) -> list[str]:
        """Return the addresses in a truncated response, at least one. Raises `_ServerFailed`."""
        try:
            found = _addresses(message, len(query), _header(message, query)[1], self._family)
        except _Malformed:
            found = []
        if not found:
            raise _ServerFailed(f"the name server {host} truncates its answer, and does not send it over TCP")
        return found


def _is_truncated(message: bytes, query: bytes) -> bool:
    return bool(_header(message, query)[0] & _TRUNCATED)


def _header(message: bytes, query: bytes) -> tuple[int, int]:
    """Return the flags and the number of answers of *message*. Raises `_Malformed` unless it answers *query*."""
    if len(message) < len(query) or message[:2] != query[:2]:
        raise _Malformed
    flags, questions, answers = struct.unpack_from("!HHH", message, 2)
    # Names are compared case-insensitively (RFC 4343); lower() changes nothing else in the query.
    if not flags & _RESPONSE or questions != 1 or message[12 : len(query)].lower() != query[12:].lower():
        raise _Malformed
    return flags, answers


def _addresses(message: bytes, at: int, answers: int, family: socket.AddressFamily) -> list[str]:
    """Return the addresses among the *answers* that begin at *at*; other records, such as aliases, are skipped."""
    found = []
    try:
        for _ in range(answers):
            at = _skip_name(message, at)
            kind, space, _, size = struct.unpack_from("!HHIH", message, at)
            data = message[at + 10 : at + 10 + size]
            at += 10 + size
            if (kind, space, len(data)) == (_TYPES[family], _INTERNET, _SIZES[family]):
                found.append(socket.inet_ntop(family, data))
    except (struct.error, IndexError):
        raise _Malformed from None
    return found


def _skip_name(message: bytes, at: int) -> int:
    """Return the offset after the name at *at*, which may end with a compression pointer."""
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1
