"""HTTP servers that behave well or badly, on plain sockets, since no HTTP library would send such responses."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n" + b'{"ok":true}'


class Head(NamedTuple):
    """The request as it came, without its body."""

    method: str
    target: str
    headers: dict[str, str]


class Call(NamedTuple):
    """One request: the client, the request, and its number at this server, counted from 1."""

    peer: socket.socket
    head: Head
    number: int
    stopped: threading.Event


Manner = Callable[[Call], None]
"""How a server handles a request; the connection is closed when it returns."""


class Server:
    """A TCP server that reads one request per connection, and leaves the response to its manner."""

    def __init__(
        self,
        manner: Manner,
        tls: ssl.SSLContext | None = None,
        *,
        accepts: bool = True,
        create: Callable[[Callable[[], socket.socket]], socket.socket] = lambda make: make(),
    ) -> None:
        self._manner = manner
        self._tls = tls
        self._stopped = threading.Event()
        self._heard = threading.Condition()
        self._open: set[socket.socket] = set()
        self.heads: list[Head] = []
        self._listener = create(lambda: socket.create_server(("127.0.0.1", 0)))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)] if accepts else []

    @property
    def url(self) -> str:
        """The server's base URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        for open_socket in (self._listener, *self._open):
            _shut(open_socket)
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def wait_for_requests(self, count: int = 1) -> None:
        """Return as soon as *count* requests have arrived."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.heads) >= count, 60), f"only {self.heads} came"

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        wrapped = peer
        try:
            if self._tls:
                wrapped = self._tls.wrap_socket(peer, server_side=True)
                self._open.add(wrapped)
            head = read_head(wrapped)
            with self._heard:
                self.heads.append(head)
                number = len(self.heads)
                self._heard.notify_all()
            self._manner(Call(wrapped, head, number, self._stopped))
            _shut(wrapped)
        except (OSError, EOFError):
            pass
        finally:
            wrapped.close()
            peer.close()
            self._open -= {peer, wrapped}


_TLS_HANDSHAKE = b"\x16\x03"


def read_head(peer: socket.socket) -> Head:
    """Read a request's head; TLS has an empty one. Raises `EOFError` when the peer closes before its end."""
    received = b""
    while b"\r\n\r\n" not in received:
        if received.startswith(_TLS_HANDSHAKE):
            return Head("", "", {})
        chunk = peer.recv(65536)
        if not chunk:
            raise EOFError
        received += chunk
    first, *rest = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in rest)
    return Head(method, target, {name.lower(): value.strip() for name, _, value in pairs})


def _shut(open_socket: socket.socket) -> None:
    try:
        open_socket.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def raw(data: bytes) -> Manner:
    """Send *data* and close."""
    return lambda call: call.peer.sendall(data)


ok = raw(OK)


def status(code: int, *headers: str, body: bytes = b"") -> Manner:
    """Answer with *code*."""
    lines = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return raw("\r\n".join(lines).encode() + body)


def redirect(to: str, code: int = 302) -> Manner:
    """Redirect to *to*, always."""
    return status(code, f"location: {to}")


def redirects(count: int) -> Manner:
    """Redirect *count* times, then answer normally."""

    def manner(call: Call) -> None:
        done = int(call.head.target.rpartition("/hop")[2]) if "/hop" in call.head.target else 0
        (ok if done == count else redirect(f"/hop{done + 1}"))(call)

    return manner


def silent(data: bytes = b"") -> Manner:
    """Send *data*, then nothing, and keep the connection."""

    def manner(call: Call) -> None:
        call.peer.sendall(data)
        call.stopped.wait()

    return manner


def endless(head: bytes, chunk: bytes, pause_s: float = 0.0) -> Manner:
    """Send *head*, then *chunk* for ever."""

    def manner(call: Call) -> None:
        call.peer.sendall(head)
        while not call.stopped.wait(pause_s):
            call.peer.sendall(chunk)

    return manner


def reset(after: bytes = b"") -> Manner:
    """Send *after* and reset the connection."""

    def manner(call: Call) -> None:
        call.peer.sendall(after)
        call.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        call.peer.close()

    return manner


def in_turn(*manners: Manner) -> Manner:
    """Handle each request by the next of *manners*; the last one handles all further requests."""
    return lambda call: manners[min(call.number, len(manners)) - 1](call)


def only(target: str) -> Manner:
    """Answer 200 to *target* and 404 to everything else."""
    return lambda call: (ok if call.head.target == target else status(404))(call)


_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"

HEALTHY: dict[str, Manner] = {
    "200": ok,
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "299": status(299),
    "HTTP/1.0": raw(b"HTTP/1.0 200 OK\r\n\r\nok"),
    "100 before": raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK),
    "a body that never comes": silent(_HEAD + b"content-length: 100\r\n\r\nabc"),
    "a body that never ends": endless(_HEAD + b"\r\n", b"x" * 65536),
    "a body in endless chunks": endless(_HEAD + _CHUNKED, b"5\r\nhello\r\n", 0.01),
    "a reset within the body": reset(_HEAD + b"content-length: 100\r\n\r\nabc"),
    "an encoding it has not": raw(_HEAD + b"content-encoding: zstd\r\ncontent-length: 4\r\n\r\nnope"),
    "gzip that is none": raw(_HEAD + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"),
    "one redirect": redirects(1),
    "ten redirects": redirects(10),
    "a redirect with 308": in_turn(redirect("/there", 308), ok),
    "bad once": in_turn(status(503), ok),
    "reset twice": in_turn(reset(), reset(), ok),
}
"""Unusual but valid responses of a healthy Worker."""

UNHEALTHY: dict[str, tuple[Manner, str]] = {
    "404": (status(404), "HTTP 404"),
    "500": (status(500), "HTTP 500"),
    "503": (status(503), "HTTP 503"),
    "304": (status(304), "HTTP 304"),
    "401": (status(401, "www-authenticate: Basic realm=x"), "HTTP 401"),
    "302 to nowhere": (status(302), "HTTP 302"),
    "600": (status(600), "HTTP 600"),
    "an endless body of a 404": (endless(b"HTTP/1.1 404 X\r\n\r\n", b"x" * 65536), "HTTP 404"),
    "eleven redirects": (redirects(11), "more than 10 redirects"),
    "a redirect to itself": (redirect("/health"), "more than 10 redirects"),
    "a redirect to a file": (redirect("file:///etc/passwd"), "the redirect does not lead to an http"),
    "a redirect to a script": (redirect("javascript:alert(1)"), "the redirect does not lead to an http"),
    "a redirect to port 0": (redirect("http://127.0.0.1:0/"), "the redirect does not lead to an http"),
    "a redirect beyond the ports": (redirect("http://127.0.0.1:65536/"), "the redirect does not lead to an http"),
    "a redirect to nobody": (redirect("http://nobody.invalid/"), "HTTP 302"),
    "closes at once": (raw(b""), "the connection was closed without an answer"),
    "closes in the head": (raw(_HEAD + b"content-le"), "the connection was closed within the answer"),
    "resets at once": (reset(), "the connection was reset"),
    "resets in the head": (reset(b"HTTP/1.1 20"), "the connection was reset"),
    "another protocol": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "the answer is not HTTP"),
    "another protocol that waits": (silent(b'INFO {"server_id":"N","version":"2.12"}\r\n'), "the answer is not HTTP"),
    "TLS that waits": (silent(b"\x15\x03\x01\x00\x02\x02\x16"), "the answer is not HTTP"),
    "garbage": (raw(bytes(range(256)) * 4), "the answer is not HTTP"),
    "a colour in its reason": (raw(b"HTTP/1.1 500 \x1b[31mred\r\ncontent-length: 0\r\n\r\n"), "HTTP 500"),
}
"""Responses that make an attempt fail at once, and the expected words."""

STALLED: dict[str, Manner] = {
    "never answers": silent(),
    "stops in the head": silent(_HEAD + b"content-le"),
    "drips its head": endless(_HEAD + b"x-pad: ", b"a", 0.02),
    "drips 100 Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "headers that never end": endless(_HEAD, b"x: aaaaaaaaaaaaaaaa\r\n", 0.02),
}
"""Responses that only end by the timeout."""


def targets(heads: Iterable[Head]) -> list[str]:
    """Return what was asked for."""
    return [f"{head.method} {head.target}" for head in heads]
