"""From a host to its addresses: each family by itself, as they become known."""

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
from exec_cf.http.dns import LookupFailed, Remaining, ServersFailed

HOSTS = "/etc/hosts"

RESOLUTION_DELAY_S = 0.05
"""Seconds that addresses of IPv4 wait for those of IPv6 (RFC 8305, section 3)."""

FAMILIES = (socket.AF_INET6, socket.AF_INET)

Ask = Callable[[str, socket.AddressFamily, Remaining], list[str]]
"""Returns the addresses of a name in one family; raises `LookupFailed`, `OSError` or `TimeoutError`."""


def written_in(hosts: bytes, host: str) -> list[str]:
    """Return the addresses that *hosts*, the text of a hosts(5) file, gives *host*, in the order of the file."""
    name = host.encode().lower()
    hosts = hosts.lower()
    if name not in hosts:
        return []  # nearly always; such a file may be large
    found = []
    for line in hosts.splitlines():
        address, *names = line.partition(b"#")[0].split() or [b""]
        if name in names:
            found.append(literal(address.decode("ascii", "replace")))
    return list(dict.fromkeys(filter(None, found)))


def known(host: str) -> list[str]:
    """Return the addresses of *host* that nobody is asked for: it is one, is in a file, or means this machine."""
    host = host.removesuffix(".").lower()
    address = literal(host)
    if address:
        return [address]
    try:
        with open(HOSTS, "rb") as file:  # noqa: PTH123  pathlib takes longer to load than the file to read
            listed = written_in(file.read(), host)
    except OSError:
        listed = []
    if listed:
        return listed
    return list(LOOPBACK) if host == "localhost" or host.endswith(".localhost") else []


def ask_libc(host: str, family: socket.AddressFamily, remaining: Remaining) -> list[str]:  # noqa: ARG001  cannot be limited
    """Return what the C library says, which knows more sources than DNS. Raises `LookupFailed`."""
    try:
        found = socket.getaddrinfo(host.encode(), None, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        kind = ServersFailed if error.errno in {socket.EAI_AGAIN, socket.EAI_FAIL} else LookupFailed
        raise kind((error.strerror or "unknown").lower()) from None
    return [str(address[0]) for *_, address in found]


def has_weak_resolver() -> bool:
    """Say whether the C library is one whose resolver fails where glibc's does not: musl's."""
    if sys.platform != "linux":
        return False
    try:
        return not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):
        return True


class Lookup:
    """The addresses of a host, to be taken one by one as they become known, IPv6 and IPv4 in turn.

    Each family is looked up on a thread of its own. Where no thread can be had, the families are asked one after the
    other before the first address can be taken, IPv6 only where IPv4 has none.
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
        self._hold_until = 0.0
        self._news: socket.socket | None = None
        given = known(host)
        for address in given:
            self._addresses[family_of(address)].append(address)
        if not given:
            self._start(host)

    def close(self) -> None:
        """Ask nobody any more."""
        self._is_closed = True
        if self._news:
            self._news.close()

    def fileno(self) -> int:
        """Return the descriptor that can be read from as soon as more is known, -1 when nothing more will be."""
        return self._news.fileno() if self._news and self._waiting else -1

    def is_over(self) -> bool:
        """Say whether no address is left, and none can come."""
        return not self._waiting and not any(self._addresses.values())

    def held_for(self) -> float | None:
        """Return the seconds until an address that is known may be taken, None when there is none."""
        if not any(self._addresses.values()):
            return None
        return max(0.0, self._hold_until - time.monotonic())

    def take(self) -> str | None:
        """Return the next address to try, None when there is none now."""
        self._hear()
        if self.held_for() != 0.0:
            return None
        family = self._next_family if self._addresses[self._next_family] else _other(self._next_family)
        self._next_family = _other(family)
        return self._addresses[family].popleft()

    def failure(self) -> str:
        """Return why there is no address, in words: that there is no such name only if nobody failed to say so."""
        worst = next((each for each in self._failures if isinstance(each, ServersFailed)), None)
        last = worst or (self._failures[-1] if self._failures else None)
        return str(last) if isinstance(last, LookupFailed) else type(last).__name__

    def _start(self, host: str) -> None:
        self._waiting = set(FAMILIES)
        self._news, told = socket.socketpair()
        with told:
            for family in FAMILIES:
                end = told.dup()
                try:
                    threading.Thread(target=self._tell, args=(host, family, end), daemon=True).start()
                except RuntimeError:  # no thread can be had
                    end.close()
                    self._look_up_in_turn(host)
                    return

    def _look_up_in_turn(self, host: str) -> None:
        for family in reversed(FAMILIES):
            if not any(self._addresses.values()):
                self._look_up(host, family)
                self._hear()
        self._waiting.clear()

    def _tell(self, host: str, family: socket.AddressFamily, told: socket.socket) -> None:
        self._look_up(host, family)
        with told, contextlib.suppress(OSError):  # nobody may wait any more
            told.send(b".")

    def _look_up(self, host: str, family: socket.AddressFamily) -> None:
        try:
            answer: list[str] | Exception = self._ask(host, family, self._left)
        except Exception as error:  # noqa: BLE001  put into words where the failure is told
            answer = error
        self._answers.append((family, answer))  # which is safe among threads

    def _left(self) -> float:
        if self._is_closed:
            raise TimeoutError
        return self._remaining()

    def _hear(self) -> None:
        while self._answers:
            family, answer = self._answers.popleft()
            self._waiting.discard(family)
            if isinstance(answer, Exception):
                self._failures.append(answer)
                continue
            self._addresses[family].extend(answer)
            if socket.AF_INET6 in self._waiting:
                self._hold_until = time.monotonic() + RESOLUTION_DELAY_S
        if socket.AF_INET6 not in self._waiting:
            self._hold_until = 0.0
        if self._news and self._waiting:
            self._drain(self._news)

    @staticmethod
    def _drain(news: socket.socket) -> None:
        news.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            news.recv(len(FAMILIES))


def _other(family: socket.AddressFamily) -> socket.AddressFamily:
    return socket.AF_INET if family == socket.AF_INET6 else socket.AF_INET6
