"""A web server in the place of every public host, which records the requests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.serving import serving


@dataclass(frozen=True)
class Page:
    """What an address answers."""

    body: bytes = b""
    type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def redirect(location: str) -> Page:
    """Return a page that sends the reader elsewhere."""
    return Page(status=302, headers={"Location": location})


class Handler(BaseHTTPRequestHandler):
    """Answers GET from the pages of its server."""

    server: "Web"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's signature
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer with the page of this host and path."""
        address = f"{self.headers['Host']}{self.path}"
        self.server.asked.append(address)
        page = self.server.pages.get(address, Page(b"nothing here", status=404))
        self.send_response(page.status)
        for name, value in {"Content-Type": page.type, **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.body)


class Web(ThreadingHTTPServer):
    """Pages by host and path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])


@contextmanager
def web() -> Iterator[Web]:
    """Run a web server."""
    with serving(Web()) as server:
        yield server
