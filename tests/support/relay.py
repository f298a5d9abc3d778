"""A relay in front of a TLS server that delays data, and counts connections, handshakes and round trips."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_HANDSHAKE, _CLIENT_HELLO = b"\x16", b"\x01"


class Relay:
    """Passes everything on to *target*, a port here, *delay_s* later in each direction.

    A flight is what one side sends until the other one sends: a round trip is one flight there and one back.
    """

    def __init__(self, target: int, delay_s: float = 0.0) -> None:
        self._target = target
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self._last_side = ""
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.handshakes = 0
        self.flights = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        for each in [self._listener, *self._sockets]:
            each.close()

    def _begin(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [near, far]
            self.connections += 1
            self._last_side = ""
            for side, source, sink in (("client", near, far), ("server", far, near)):
                late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                self._begin(self._take, side, source, late)
                self._begin(self._pass_on, late, sink)

    def _take(self, side: str, source: socket.socket, late: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        data = b"."
        while data:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            if data:
                self._count(side, data)
            late.put((time.monotonic() + self._delay_s, data))

    def _count(self, side: str, data: bytes) -> None:
        with self._lock:
            self.flights += side != self._last_side
            self._last_side = side
            if side == "client" and (data[:1], data[5:6]) == (_HANDSHAKE, _CLIENT_HELLO):
                self.handshakes += 1

    @staticmethod
    def _pass_on(late: "queue.SimpleQueue[tuple[float, bytes]]", sink: socket.socket) -> None:
        data = b"."
        while data:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):  # either side may have gone
                if data:
                    sink.sendall(data)
                else:
                    sink.shutdown(socket.SHUT_WR)
