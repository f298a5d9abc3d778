"""What the program is handed of the world outside, so that tests can hand it another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from exec_cf.http import Request, Response


class World(Protocol):
    """Everything outside that the program touches."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables."""
        ...

    def exchange(self, request: Request) -> Response:
        """Return the answer to *request*, or raise `exec_cf.http.RequestError`."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...

    def now(self) -> datetime:
        """Return the time, aware of its zone."""
        ...

    def at_terminal(self) -> bool:
        """Say whether stdin is a terminal."""
        ...

    def read(self, file: str, limit: int) -> bytes:
        """Return *file*, or stdin when it is empty, to its end or one byte more than *limit*; raise `OSError`."""
        ...

    def read_secret(self, file: str, limit: int) -> bytes:
        """Return *file*, a regular one, to its end or one byte more than *limit*; raise `OSError`."""
        ...

    def create_secret(self, file: str, data: bytes) -> None:
        """Create *file* with *data*, whole or not at all, for its owner alone; raise `OSError`, also if it exists."""
        ...

    def random_token(self) -> str:
        """Return 64 hexadecimal digits from the system's random source."""
        ...

    def answer(self) -> str:
        """Return the line that the user types at the terminal of stdin."""
        ...

    def writable(self) -> None:
        """Raise `OSError` when it is known beforehand that nothing can be written to stdout."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of *data* to stdout; raise `OSError` and leave as little as possible there."""
        ...

    def error(self, line: str) -> None:
        """Write *line* to stderr, without fail."""
        ...
