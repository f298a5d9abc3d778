"""The process: real streams, clock and network around `exec_cf.cli`."""

# signal itself brings enum, most of what `--version` would load
import _signal as signal  # type: ignore[import-not-found]

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import os
import sys

from exec_cf import streams
from exec_cf.cli import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from exec_cf.http import Request, Response


class Process:
    """The `exec_cf.world.World` that this process lives in."""

    environ = os.environ
    at_terminal = staticmethod(streams.at_terminal)
    read = staticmethod(streams.read)
    writable = staticmethod(streams.stdout_writable)
    write = staticmethod(streams.write_stdout)
    error = staticmethod(streams.error_line)

    def exchange(self, request: "Request") -> "Response":
        """Return the answer to *request*, or raise `exec_cf.http.RequestError`."""
        from exec_cf.http import exchange

        return exchange(request, self.environ)

    def read_secret(self, file: str, limit: int) -> bytes:
        """Return a secret file."""
        from exec_cf import files

        return files.read_secret(file, limit)

    def create_secret(self, file: str, data: bytes) -> None:
        """Create a secret file."""
        from exec_cf import files

        files.create_secret(file, data)

    def random_token(self) -> str:
        """Return a new token."""
        return os.urandom(32).hex()

    def answer(self) -> str:
        """Return what the user types."""
        return streams.read_line(_MAX_ANSWER_BYTES).decode(errors="replace")

    def sleep(self, seconds: float) -> None:
        """Wait."""
        from time import sleep

        sleep(seconds)

    def now(self) -> "datetime":
        """Return the time, in UTC."""
        from datetime import UTC, datetime

        return datetime.now(UTC)


_MAX_ANSWER_BYTES = 100


def main() -> None:
    """Run the program on this process's arguments and end it, without waiting for a thread that a slow peer holds."""
    streams.reserve_stderr()
    os._exit(run(sys.argv[1:], Process()))


if __name__ == "__main__":
    main()
