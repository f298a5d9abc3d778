"""An HTTP proxy that maps hosts to local ports, and records its requests."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from tests.support.manners import Call, Manner, Server, ok


class Proxy(Server):
    """A proxy that answers plain http requests itself, and connects tunnels to *upstream*.

    That is a port here, or a function that returns one for a host and port.
    """

    def __init__(
        self,
        upstream: int | Callable[[str], int] = 0,
        manner: Manner = ok,
        tls: ssl.SSLContext | None = None,
        create: Callable[[Callable[[], socket.socket]], socket.socket] = lambda make: make(),
    ) -> None:
        super().__init__(
            lambda call: _tunnel(call, upstream) if call.head.method == "CONNECT" else manner(call), tls, create=create
        )


def _tunnel(call: Call, upstream: int | Callable[[str], int]) -> None:
    upstream = upstream if isinstance(upstream, int) else upstream(call.head.target)
    with socket.create_connection(("127.0.0.1", upstream)) as far:
        call.peer.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=_pour, args=(far, call.peer), daemon=True)
        back.start()
        _pour(call.peer, far)
        back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
