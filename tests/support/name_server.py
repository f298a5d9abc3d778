"""A name server of the suite's own: both families, over UDP and TCP, and every bad answer that a real one gives."""

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self

A, AAAA = 1, 28
NO_ERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)

_RESPONSE, _TRUNCATED, _RECURSION_AVAILABLE = 0x8000, 0x0200, 0x0080
_FAMILY = {A: socket.AF_INET, AAAA: socket.AF_INET6}


class Reply(NamedTuple):
    """The answer to one query; *raw* is sent unchanged instead of a DNS message."""

    addresses: tuple[str, ...] = ()
    code: int = NO_ERROR
    alias: str = ""
    is_silent: bool = False
    is_truncated: bool = False
    flags: int = _RECURSION_AVAILABLE
    delay_s: float = 0.0
    raw: Callable[[bytes], bytes] | None = None


SILENCE = Reply(is_silent=True)
Zone = Mapping[tuple[str, int], Reply]
"""Answers by name, in lower case, and type; NXDOMAIN for everything else."""


def host(name: str, *addresses: str) -> dict[tuple[str, int], Reply]:
    """Return the zone of a host as it should be, with some addresses of each family."""
    kinds = {A: [each for each in addresses if ":" not in each], AAAA: [each for each in addresses if ":" in each]}
    return {(name, kind): Reply(tuple(of_kind)) for kind, of_kind in kinds.items()}


class NameServer:
    """Answers on an address, from a free port or the one that is given, and keeps what it was asked.

    *create* makes the sockets: in a name space, those of `tests.support.namespace`. Without *serves_tcp*, nothing is
    answered over TCP.
    """

    def __init__(
        self,
        zone: Zone,
        address: str = "127.0.0.1",
        port: int = 0,
        create: Callable[[Callable[[], socket.socket]], socket.socket] = lambda make: make(),
        *,
        serves_tcp: bool = True,
    ) -> None:
        self._zone = zone
        self.asked: list[tuple[str, int, str]] = []
        self._streams = create(lambda: socket.create_server((address, port)))
        self.address, self.port = self._streams.getsockname()[:2]
        self._datagrams = create(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._datagrams.bind((address, self.port))
        serving = (self._serve_datagrams, self._serve_streams) if serves_tcp else (self._serve_datagrams,)
        self._threads = [threading.Thread(target=serve) for serve in serving]
        self._stopped = threading.Event()

    @property
    def names(self) -> list[str]:
        """The names that were asked for, each once, in order."""
        return list(dict.fromkeys(name for name, _, _ in self.asked))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        for listener in (self._datagrams, self._streams):
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join()
        self._datagrams.close()
        self._streams.close()

    def _serve_datagrams(self) -> None:
        while not self._stopped.is_set():
            try:
                query, peer = self._datagrams.recvfrom(512)
            except OSError:
                return
            for message in self._answers(query, "udp") if query else ():
                self._datagrams.sendto(message, peer)

    def _serve_streams(self) -> None:
        while not self._stopped.is_set():
            try:
                peer, _ = self._streams.accept()
            except OSError:
                return
            with peer:
                query = peer.recv(514)[2:]
                for message in self._answers(query, "tcp") if query else ():
                    peer.sendall(struct.pack("!H", len(message)) + message)

    def _answers(self, query: bytes, transport: str) -> list[bytes]:
        name, kind, question = _question(query)
        self.asked.append((name, kind, transport))
        reply = self._zone.get((name, kind), Reply(code=NXDOMAIN))
        if reply.is_silent or self._stopped.wait(reply.delay_s):
            return []
        if reply.raw:
            return [reply.raw(query)]
        cut = reply.is_truncated and transport == "udp"
        records = b"" if cut else _records(reply, kind)
        count = 0 if cut else len(reply.addresses) + bool(reply.alias)
        flags = _RESPONSE | reply.flags | reply.code | (_TRUNCATED if cut else 0)
        return [query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + records]


def _question(query: bytes) -> tuple[str, int, bytes]:
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0], query[12 : at + 5]


def _records(reply: Reply, kind: int) -> bytes:
    records, owner = b"", b"\xc0\x0c"
    if reply.alias:
        target = b"".join(bytes([len(label)]) + label.encode() for label in reply.alias.split(".")) + b"\0"
        records += owner + struct.pack("!HHIH", 5, 1, 60, len(target)) + target
        owner = target
    for address in reply.addresses:
        data = socket.inet_pton(_FAMILY[kind], address)
        records += owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    return records
