"""The process: real streams, clock and network around `exec_cf.cli`."""

# `signal` imports enum, which would be most of what `--version` loads
import _signal as signal  # type: ignore[import-not-found]

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import os
import sys
import time

from exec_cf import files, streams
from exec_cf.cli import run

TYPE_CHECKING = False  # importing typing would take longer than the rest of `--version`
if TYPE_CHECKING:
    from exec_cf.http import Network, Request, Response


class Process:
    """The `exec_cf.world.World` of a real process."""

    environ = os.environ
    sleep = staticmethod(time.sleep)
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
    at_terminal = staticmethod(streams.at_terminal)
    can_ask = staticmethod(streams.can_ask)
    columns = staticmethod(streams.columns)
    read = staticmethod(streams.read)
    check_writable = staticmethod(streams.check_stdout)
    write = staticmethod(streams.write_stdout)
    _stderr = streams.Stderr()
    error = _stderr.write_line
    read_secret = staticmethod(files.read_secret)
    create_secret = staticmethod(files.create_secret)
    check_creatable = staticmethod(files.check_creatable)
    _network: "Network | None" = None

    def random_token(self) -> str:
        """Return 64 hexadecimal digits from the system's random source."""
        return os.urandom(32).hex()

    def ask(self, question: str) -> str:
        """Write *question* to stderr and return the line that the user types; empty at the end of stdin."""
        self._stderr.write(f"{question} ")
        line = streams.read_line(_MAX_LINE_BYTES).decode(errors="replace")
        if not line.endswith("\n"):
            self.error("")
        return line

    def exchange(self, request: "Request") -> "Response":
        """Return the response to *request*. Raises `exec_cf.http.RequestError`."""
        if self._network is None:
            from exec_cf.http import Network  # noqa: PLC0415  msgspec, which `--version` does not need: 30 ms

            self._network = Network(self.environ)
        return self._network.exchange(request)


_MAX_LINE_BYTES = 100


def main() -> None:
    """Run the program on this process's arguments and exit without waiting for blocked threads."""
    streams.reserve_stderr()
    os._exit(run(sys.argv[1:], Process()))


if __name__ == "__main__":
    main()
