"""A TCP proxy that can turn silent: connections stay open and nothing passes, as on a dead network path."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.support.process import free_port


class Proxy:
    """Forwards from a port of its own to another port."""

    def __init__(self, target: int) -> None:
        """Listen at once; `target` is a port on 127.0.0.1."""
        self._target = target
        self._sockets: list[socket.socket] = []
        # Connections that are to be silenced get the event that was current when they opened.
        self._silent = threading.Event()
        self.port = free_port()
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def black_hole(self) -> None:
        """Swallow everything on the connections that are open; new ones work."""
        self._silent.set()
        self._silent = threading.Event()

    def close(self) -> None:
        """Close all connections and stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            for source, sink in [(near, far), (far, near)]:
                threading.Thread(target=_pump, args=(source, sink, self._silent), daemon=True).start()

    def __enter__(self) -> Self:
        """Return the proxy, which listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the proxy."""
        self.close()


def _pump(source: socket.socket, sink: socket.socket, silent: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if not silent.is_set():
                sink.sendall(data)
        if not silent.is_set():
            sink.shutdown(socket.SHUT_WR)
