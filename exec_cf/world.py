"""The interface to everything outside the program; tests pass a fake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exec_cf.http import Request, Response


class World(Protocol):
    """Everything outside the program that it uses."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables."""
        ...

    def exchange(self, request: Request) -> Response:
        """Return the response to *request*. Raises `exec_cf.http.RequestError`."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait for *seconds*."""
        ...

    def time(self) -> float:
        """Return the time in seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return the seconds of a clock that is never adjusted, for measuring durations."""
        ...

    def at_terminal(self) -> bool:
        """Return whether stdin is a terminal."""
        ...

    def read(self, file: str, limit: int) -> bytes:
        """Return the content of *file*, or of stdin if *file* is empty: at most *limit* + 1 bytes. Raises `OSError`."""
        ...

    def read_secret(self, file: str, limit: int) -> bytes:
        """Return the content of the regular file *file*: at most *limit* + 1 bytes. Raises `OSError`."""
        ...

    def create_secret(self, file: str, data: bytes) -> None:
        """Create *file* with *data*, readable by its owner only. Raises `OSError`, also if *file* exists."""
        ...

    def check_creatable(self, file: str) -> None:
        """Raise `OSError` if it is known in advance that *file* cannot be created."""
        ...

    def random_token(self) -> str:
        """Return 64 hexadecimal digits from the system's random source."""
        ...

    def can_ask(self) -> bool:
        """Return whether stdin and stderr are terminals."""
        ...

    def ask(self, question: str) -> str:
        """Write *question* to stderr and return the line that the user types; empty at the end of stdin."""
        ...

    def columns(self) -> int | None:
        """Return the width of the terminal on stdout: 0 if it is unknown, None if stdout is not a terminal."""
        ...

    def check_writable(self) -> None:
        """Raise `OSError` if stdout is known in advance not to be writable."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of *data* to stdout. Raises `OSError`; then as little as possible of *data* is left there."""
        ...

    def error(self, line: str) -> None:
        """Write *line* to stderr; never fails."""
        ...
