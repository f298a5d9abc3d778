"""An `exec_cf.world.World` in memory, with given input and recorded output."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from exec_cf.http import Network, Request, RequestError, Response
from exec_cf.messages import BusBlock

NOW = datetime(2026, 5, 24, 15, 30, tzinfo=UTC)

OFFLINE: Mapping[str, str] = {"CF_WORKER_HEALTHCHECK": "0"}
"""The environment under which no request is made."""

Exchange = Callable[[Request], Response]


class Script:
    """An exchange that returns the next of its answers, and records the requests."""

    def __init__(self, *answers: Response | RequestError) -> None:
        self._answers = iter(answers)
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, RequestError):
            raise answer
        return answer

    def unused(self) -> Iterable[Response | RequestError]:
        """Return the answers that were not used."""
        return list(self._answers)


class FakeWorld:
    """Takes stdin, environment and network from memory, and records stdout, stderr and pauses."""

    def __init__(
        self,
        stdin: bytes | OSError = b"",
        environ: Mapping[str, str] = OFFLINE,
        exchange: Exchange | None = None,
        broken_write: OSError | None = None,
        closed: OSError | None = None,
    ) -> None:
        self._stdin = stdin
        self.environ: Mapping[str, str] = environ
        self.script = exchange or Script()
        self._broken_write = broken_write
        self._closed = closed
        self.terminal = False
        """Whether stdin and stderr are terminals."""
        self.width: int | None = None
        """The columns of stdout, if that is a terminal."""
        self.files: dict[str, bytes] = {}
        self.full = False
        """Whether no file can be created."""
        self.written = b""
        self.errors: list[str] = []
        self.answers: list[str] = []
        self.slept: list[float] = []
        self.later_s = 0.0
        """Seconds after `NOW`."""
        self.order: list[str] = []

    def exchange(self, request: Request) -> Response:
        self.order.append(request.method)
        return self.script(request)

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)

    def time(self) -> float:
        return NOW.timestamp() + self.later_s

    def monotonic(self) -> float:
        return sum(self.slept)

    def at_terminal(self) -> bool:
        return self.terminal

    def read(self, file: str, limit: int) -> bytes:
        if file:
            return self.files[file][: limit + 1]
        if isinstance(self._stdin, OSError):
            raise self._stdin
        return self._stdin[: limit + 1]

    def read_secret(self, file: str, limit: int) -> bytes:
        if file not in self.files:
            raise os_error(errno.ENOENT)
        return self.files[file][: limit + 1]

    def create_secret(self, file: str, data: bytes) -> None:
        self.check_creatable(file)
        self.files[file] = data

    def check_creatable(self, file: str) -> None:
        if self.full:
            raise FULL
        if file in self.files:
            raise os_error(errno.EEXIST)

    def random_token(self) -> str:
        return "0123456789abcdef" * 4

    def can_ask(self) -> bool:
        return self.terminal

    def ask(self, question: str) -> str:
        self.error(question)
        return self.answers.pop(0)

    def columns(self) -> int | None:
        return self.width

    def check_writable(self) -> None:
        self.order.append("writable")
        if self._closed:
            raise self._closed

    def write(self, data: bytes) -> None:
        self.order.append("write")
        if self._broken_write:
            raise self._broken_write
        self.written += data

    def error(self, line: str) -> None:
        self.order.append("error")
        self.errors.append(line)


class LiveWorld(FakeWorld):
    """The same with the real network and clock."""

    def __init__(self, stdin: bytes, environ: Mapping[str, str]) -> None:
        super().__init__(stdin, environ)
        self._network = Network(environ)

    def close(self) -> None:
        """Close the connections."""
        self._network.close()

    def exchange(self, request: Request) -> Response:
        return self._network.exchange(request)

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds)

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def os_error(number: int) -> OSError:
    """Return the error that the system raises for *number*."""
    return OSError(number, os.strerror(number))


FULL = os_error(errno.ENOSPC)


def started(bus: BusBlock, status: int = 201, abort: str = "/control/abort/lead") -> Response:
    """Return the answer of a Worker that started the agent with *bus*."""
    return Response(status, msgspec.json.encode({"state": "ready", "subjects": bus, "abort": abort}))
