"""A TCP proxy that can go silent, like a dead network path or a WebSocket server that never sends anything."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

from tests.support.process import free_port

_END_OF_HANDSHAKE = b"\r\n\r\n"


class Proxy:
    """Forwards from its own port to another one."""

    def __init__(self, target: int) -> None:
        """Listen at once; `target` is a port on 127.0.0.1."""
        self.delay_s = 0.0
        """The delay of all data, in seconds."""
        self.rate: float | None = None
        """How many bytes pass in a second and direction; all at once without a limit."""
        self.said: bytearray | None = None
        """Receives what the clients send, if set."""
        self._target = target
        self._sockets: set[socket.socket] = set()
        # Connections that are to be silenced get the event that was current when they opened.
        self._silent = threading.Event()
        self._is_mute = False
        self.port = free_port()
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def black_hole(self) -> None:
        """Swallow everything on the connections that are open; new ones work."""
        self._silent.set()
        self._silent = threading.Event()

    def mute(self) -> None:
        """Close open connections; on new ones, forward only the WebSocket handshake of the answers."""
        self._is_mute = True
        self._shut()

    def heal(self) -> None:
        """Forward on new connections; silent ones stay silent."""
        self._is_mute = False

    def close(self) -> None:
        """Close all connections and stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._shut()

    def _shut(self) -> None:
        """Close all connections; the threads that forward then end, and the sockets with them."""
        for end in list(self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._sockets |= {near, far}
            answer = _pump_handshake if self._is_mute else _pump
            back = threading.Thread(target=answer, args=(self, far, near, self._silent), daemon=True)
            back.start()
            threading.Thread(target=self._forward, args=(near, far, self._silent, back), daemon=True).start()

    def _forward(
        self, near: socket.socket, far: socket.socket, silent: threading.Event, back: threading.Thread
    ) -> None:
        """Forward what the client sends, and clean up when both directions have ended."""
        _pump(self, near, far, silent)
        back.join()
        for end in [near, far]:
            self._sockets.discard(end)
            end.close()

    def __enter__(self) -> Self:
        """Return the proxy, which listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the proxy."""
        self.close()


def _pump(proxy: Proxy, source: socket.socket, sink: socket.socket, silent: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536 if proxy.rate is None else 4096):
            if proxy.said is not None and source.getsockname()[1] == proxy.port:
                proxy.said += data
            time.sleep(proxy.delay_s if proxy.rate is None else len(data) / proxy.rate)
            if not silent.is_set():
                sink.sendall(data)
        if not silent.is_set():
            sink.shutdown(socket.SHUT_WR)


def _pump_handshake(_proxy: Proxy, source: socket.socket, sink: socket.socket, _: threading.Event) -> None:
    read = b""
    with contextlib.suppress(OSError):
        while _END_OF_HANDSHAKE not in read:
            read += source.recv(65536)
        head, end, _rest = read.partition(_END_OF_HANDSHAKE)
        sink.sendall(head + end)
        while source.recv(65536):
            pass
