"""The peers of the network tests: a name server, a redirecting server, a proxy."""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

_A, _IN = 1, 1
_RESPONSE, _TRUNCATED, _NO_SUCH_NAME = 0x8180, 0x0200, 3


class NameServer:
    """Answers for a few names on the DNS port of a loopback address; the C library knows no other port.

    With *truncated* it answers in full over TCP alone.
    """

    address = "127.0.0.77"

    def __init__(self, names: Mapping[str, str], *, truncated: bool = False) -> None:
        self._names = names
        self._truncated = truncated
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._streams = socket.create_server((self.address, 53))
        self._datagrams.bind((self.address, 53))

    def __enter__(self) -> Self:
        """Begin to answer."""
        for serve in (self._serve_datagrams, self._serve_streams):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End both threads."""
        for listener in (self._datagrams, self._streams):
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                listener.close()

    def _serve_datagrams(self) -> None:
        while True:
            try:
                query, peer = self._datagrams.recvfrom(512)
            except OSError:
                return
            if query:
                self._datagrams.sendto(self._answer(query, truncated=self._truncated), peer)

    def _serve_streams(self) -> None:
        while True:
            try:
                peer, _ = self._streams.accept()
            except OSError:
                return
            with peer:
                query = peer.recv(514)[2:]
                answer = self._answer(query, truncated=False)
                peer.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, query: bytes, *, truncated: bool) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        kind = struct.unpack("!H", question[-4:-2])[0]
        address = self._names.get(".".join(labels))
        flags = _RESPONSE | (0 if address else _NO_SUCH_NAME) | (_TRUNCATED if truncated else 0)
        records = b""
        if address and kind == _A and not truncated:
            records = struct.pack("!HHHIH4s", 0xC00C, _A, _IN, 60, 4, socket.inet_aton(address))
        return query[:2] + struct.pack("!HHHHH", flags, 1, bool(records), 0, 0) + question + records


class Redirects(http.server.ThreadingHTTPServer):
    """Sends everyone to one other place, twice."""

    def __init__(self, place: str) -> None:
        super().__init__(("127.0.0.1", 0), _Redirecting)
        self.place = place


class _Redirecting(http.server.BaseHTTPRequestHandler):
    server: Redirects

    def do_GET(self) -> None:
        again = self.path.startswith("/again")
        self.send_response(307 if again else 302)
        self.send_header("Location", self.server.place if again else "/again")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Proxy(http.server.ThreadingHTTPServer):
    """Forwards to 127.0.0.1 whatever name it is asked for, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Proxying)
        self.asked: list[str] = []


class _Proxying(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(f"GET {self.path}")
        port, _, path = self.path.rpartition(":")[2].partition("/")
        upstream = http.client.HTTPConnection("127.0.0.1", int(port))
        upstream.request("GET", f"/{path}")
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.server.asked.append(f"CONNECT {self.path}")
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join(timeout=30)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
