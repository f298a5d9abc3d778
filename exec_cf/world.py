"""The world outside the program, handed to it so that tests can hand it another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exec_cf.http import Request, Response


class World(Protocol):
    """Everything outside the program that it touches."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables."""
        ...

    def exchange(self, request: Request) -> Response:
        """Return the response to *request*. Raises `exec_cf.http.RequestError`."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...

    def time(self) -> float:
        """Return the time in seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return the seconds of a clock that nobody sets, for durations."""
        ...

    def at_terminal(self) -> bool:
        """Say whether stdin is a terminal."""
        ...

    def read(self, file: str, limit: int) -> bytes:
        """Return *file*, or stdin when it is empty, to its end or one byte more than *limit*. Raises `OSError`."""
        ...

    def read_secret(self, file: str, limit: int) -> bytes:
        """Return *file*, a regular one, to its end or one byte more than *limit*. Raises `OSError`."""
        ...

    def create_secret(self, file: str, data: bytes) -> None:
        """Create *file* with *data*, whole or not at all, for its owner alone. Raises `OSError`, also if it exists."""
        ...

    def random_token(self) -> str:
        """Return 64 hexadecimal digits from the system's random source."""
        ...

    def answer(self) -> str:
        """Return the line that the user types at the terminal of stdin."""
        ...

    def check_writable(self) -> None:
        """Raise `OSError` when it is known beforehand that stdout takes nothing."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of *data* to stdout. Raises `OSError`, and leaves as little as possible there."""
        ...

    def error(self, line: str) -> None:
        """Write *line* to stderr; never fails."""
        ...
