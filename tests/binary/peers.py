"""The peers of the network tests: a redirecting server, a proxy."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading


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
