"""Standard streams as the contract wants them: stdin bounded, stdout once and whole, stderr never in the way."""

import os
import select
import signal
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from exec_cf.cli import PROGRAM, World
from exec_cf.errors import Code, Problem, Refused
from exec_cf.http import Answer, Request
from exec_cf.text import plain

STDIN, STDOUT, STDERR = 0, 1, 2
_CHUNK = 1 << 16
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def world(environ: Mapping[str, str], sleep: Callable[[float], None]) -> World:
    """Return the real world around this process."""
    return World(
        environ=environ,
        read=read_stdin,
        output=Stdout(),
        error=error_line,
        exchange=lambda request: _exchange(request, environ),
        sleep=sleep,
        now=lambda: datetime.now(UTC),
    )


def read_stdin(most: int) -> bytes:
    """Return stdin to its end, or one byte more than *most*; a closed stdin is an empty one. Raises `OSError`."""
    data = bytearray()
    try:
        if os.isatty(STDIN):
            error_line("reading a SpawnSpec from the terminal; end it with Ctrl-D")
        while len(data) <= most and (chunk := _available(STDIN, most + 1 - len(data))):
            data += chunk
    except OSError as error:
        if error.errno == _EBADF:
            return b""
        raise
    return bytes(data)


_EBADF = 9


def _available(descriptor: int, most: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, min(most, _CHUNK))
        except BlockingIOError:
            select.select([descriptor], [], [])


def error_line(text: str) -> None:
    """Write *text* to stderr as one line of this program's; a closed or full stderr loses it silently."""
    data = f"{PROGRAM}: {plain(text)}\n".encode()
    try:
        _write_all(STDERR, data)
    except OSError:
        return


class Stdout:
    """The handle's way out."""

    def ready(self) -> None:
        """Raise `Refused` when stdout is closed, so that no agent is started whose handle would be lost."""
        try:
            os.fstat(STDOUT)
        except OSError as error:
            raise _lost(error) from None

    def write(self, data: bytes) -> None:
        """Write all of *data*, out of reach of the signals that end the program: they come before it or after.

        Raises `Refused` when that fails; what a regular file has taken by then is cut off again.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            before = _file_size(STDOUT)
            _deliver(data, before)
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            raise _lost(error) from None


def _deliver(data: bytes, before: int | None) -> None:
    try:
        _write_all(STDOUT, data)
        if before is not None:
            os.fsync(STDOUT)
    except OSError:
        if before is not None:
            os.ftruncate(STDOUT, before)
        raise


def _file_size(descriptor: int) -> int | None:
    """Return the size of a regular file, None for anything else."""
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _lost(error: OSError) -> Refused:
    reason = (error.strerror or str(error)).lower()
    return Refused([Problem(Code.STDOUT, f"stdout cannot be written: {reason}", hint="no handle was delivered")])


def _exchange(request: Request, environ: Mapping[str, str]) -> Answer:
    from exec_cf.http import exchange

    return exchange(request, environ)
