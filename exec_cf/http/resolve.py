"""Resolves a host to its addresses, each address family independently."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from exec_cf.http import dns
from exec_cf.http.addresses import LOOPBACK, family_of, literal
from exec_cf.http.dns import Remaining, ServersFailed
from exec_cf.http.dns_messages import LookupFailed
from exec_cf.urls import is_localhost

HOSTS = "/etc/hosts"

RESOLUTION_DELAY_S = 0.05
"""Seconds that IPv4 addresses wait for IPv6 addresses (RFC 8305, section 3)."""

FAMILIES = (socket.AF_INET6, socket.AF_INET)

Ask = Callable[[str, socket.AddressFamily, Remaining], list[str]]
"""Returns the addresses of a name in one family; raises `LookupFailed`, `OSError` or `TimeoutError`."""


def listed_in(hosts: bytes, host: str) -> list[str]:
    """Return the addresses of *host* in *hosts*, the content of a hosts(5) file, in the order of the file."""
    name = host.encode().lower()
    hosts = hosts.lower()
    if name not in hosts:
        return []  # the usual case; the file may be large
    found = []
    for line in hosts.splitlines():
        address, *names = line.partition(b"#")[0].split() or [b""]
        if name in names:
            found.append(literal(address.decode("ascii", "replace")))
    return list(dict.fromkeys(filter(None, found)))


def known(host: str) -> list[str]:
    """Return the addresses of *host* that need no lookup: it is an address, in the hosts file, or `localhost`."""
    host = host.removesuffix(".").lower()
    address = literal(host)
    if address:
        return [address]
    try:
        with open(HOSTS, "rb") as file:  # noqa: PTH123  pathlib takes longer to load than the file to read
            listed = listed_in(file.read(), host)
    except OSError:
        listed = []
    if listed:
        return listed
    return list(LOOPBACK) if is_localhost(host) else []


def ask_libc(host: str, family: socket.AddressFamily, remaining: Remaining) -> list[str]:  # noqa: ARG001  cannot be limited
    """Return the addresses from the C library, which uses more sources than DNS. Raises `LookupFailed`."""
    try:
        found = socket.getaddrinfo(host.encode(), None, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        kind = ServersFailed if error.errno in {socket.EAI_AGAIN, socket.EAI_FAIL} else LookupFailed
        raise kind((error.strerror or "unknown").lower()) from None
    return [str(address[0]) for *_, address in found]


def has_weak_resolver() -> bool:
    """Return whether the C library is musl, whose resolver fails in cases where glibc's does not."""
    if sys.platform != "linux":
        return False
    try:
        return not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):
        return True


class Lookup:
    """The addresses of a host, taken one by one as they become known, alternating between IPv6 and IPv4.

    Each family is looked up in its own thread. If no thread can be started, the families are looked up one after the
    other before the first address is available: IPv4, and IPv6 only if there is no IPv4 address.
    """

    def __init__(self, host: str, remaining: Remaining, ask: Ask | None = None) -> None:
        self._ask = ask or (dns.ask_system if has_weak_resolver() else ask_libc)
        self._remaining = remaining
        self._is_closed = False
        self._answers: deque[tuple[socket.AddressFamily, list[str] | Exception]] = deque()
        self._waiting: set[socket.AddressFamily] = set()
        self._failures: list[Exception] = []
        self._addresses: dict[socket.AddressFamily, deque[str]] = {family: deque() for family in FAMILIES}
        self._next_family = socket.AF_INET6
        self._ready_at = 0.0
        self._wakeup: socket.socket | None = None
        given = known(host)
        for address in given:
            self._addresses[family_of(address)].append(address)
        if not given:
            self._start(host)

    def close(self) -> None:
        """Stop the lookup."""
        self._is_closed = True
        if self._wakeup:
            self._wakeup.close()

    def fileno(self) -> int:
        """Return a descriptor that becomes readable with the next result, or -1 if there will be none."""
        return self._wakeup.fileno() if self._wakeup and self._waiting else -1

    def is_finished(self) -> bool:
        """Return whether no address is left and no lookup is running."""
        return not self._waiting and not any(self._addresses.values())

    def delay_s(self) -> float | None:
        """Return the seconds until a known address may be taken, or None if there is none."""
        if not any(self._addresses.values()):
            return None
        return max(0.0, self._ready_at - time.monotonic())

    def take(self) -> str | None:
        """Return the next address to try, or None if there is none yet."""
        self._collect()
        if self.delay_s() != 0.0:
            return None
        family = self._next_family if self._addresses[self._next_family] else _other(self._next_family)
        self._next_family = _other(family)
        return self._addresses[family].popleft()

    def failure(self) -> str:
        """Return why there is no address; a failed server takes precedence over a name that does not exist."""
        worst = next((each for each in self._failures if isinstance(each, ServersFailed)), None)
        last = worst or (self._failures[-1] if self._failures else None)
        if isinstance(last, TimeoutError):
            return "no name server answered in time"
        return str(last) if isinstance(last, LookupFailed) else type(last).__name__

    def _start(self, host: str) -> None:
        self._waiting = set(FAMILIES)
        self._wakeup, writer = socket.socketpair()
        with writer:
            for family in FAMILIES:
                end = writer.dup()
                try:
                    threading.Thread(target=self._look_up_and_notify, args=(host, family, end), daemon=True).start()
                except RuntimeError:  # no thread can be started
                    end.close()
                    self._look_up_in_turn(host)
                    return

    def _look_up_in_turn(self, host: str) -> None:
        for family in reversed(FAMILIES):
            if not any(self._addresses.values()):
                self._look_up(host, family)
                self._collect()
        self._waiting.clear()

    def _look_up_and_notify(self, host: str, family: socket.AddressFamily, writer: socket.socket) -> None:
        self._look_up(host, family)
        with writer, contextlib.suppress(OSError):  # the lookup may be closed
            writer.send(b".")

    def _look_up(self, host: str, family: socket.AddressFamily) -> None:
        try:
            answer: list[str] | Exception = self._ask(host, family, self._left)
        except Exception as error:  # noqa: BLE001  described by `failure`
            answer = error
        self._answers.append((family, answer))  # deque.append is thread-safe

    def _left(self) -> float:
        if self._is_closed:
            raise TimeoutError
        return self._remaining()

    def _collect(self) -> None:
        while self._answers:
            family, answer = self._answers.popleft()
            self._waiting.discard(family)
            if isinstance(answer, Exception):
                self._failures.append(answer)
                continue
            self._addresses[family].extend(answer)
            if socket.AF_INET6 in self._waiting:
                self._ready_at = time.monotonic() + RESOLUTION_DELAY_S
        if socket.AF_INET6 not in self._waiting:
            self._ready_at = 0.0
        if self._wakeup and self._waiting:
            self._drain(self._wakeup)

    @staticmethod
    def _drain(wakeup: socket.socket) -> None:
        wakeup.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            wakeup.recv(len(FAMILIES))


def _other(family: socket.AddressFamily) -> socket.AddressFamily:
    return socket.AF_INET if family == socket.AF_INET6 else socket.AF_INET6
