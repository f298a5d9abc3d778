"""What the stand-ins for providers of models share: a test scripts one reply per request, and gets the requests."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Play = TypeVar("Play")
Request = TypeVar("Request")


class ScriptedServer(ThreadingHTTPServer, Generic[Play, Request]):
    """The listening socket and what its handlers share."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.script: SimpleQueue[Play] = SimpleQueue()
        self.arrived: SimpleQueue[Request] = SimpleQueue()
        self.problems: list[str] = []
        self.otherwise: Play | None = None

    def next_play(self) -> Play:
        """Return the reply to a request. Raises Empty when none was scripted."""
        if self.otherwise is not None and self.script.empty():
            return self.otherwise
        return self.script.get_nowait()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report nothing of clients that went away between requests, as a Worker that is killed does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Scripted(Generic[Play, Request]):
    """Scripts replies, and returns the requests."""

    def __init__(self, server: ScriptedServer[Play, Request], base_url: str) -> None:
        self._server = server
        self.base_url = base_url
        """The value of the Worker's variable."""

    def will(self, *plays: Play) -> None:
        """Script the replies to the next requests, in order."""
        for play in plays:
            self._server.script.put(play)

    def always(self, play: Play) -> None:
        """Give this reply to all requests without a scripted one."""
        self._server.otherwise = play

    def request(self, timeout: float = 10) -> Request:
        """Wait for the next request."""
        return self._server.arrived.get(timeout=timeout)

    def settle(self) -> None:
        """Check that each request was valid and each reply was used, and reset."""
        problems, self._server.problems = self._server.problems, []
        unplayed = self._server.script.qsize()
        self._server.script, self._server.arrived = SimpleQueue(), SimpleQueue()
        assert problems == []
        assert unplayed == 0
