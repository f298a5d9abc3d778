"""The standard streams: stdin bounded, stdout once and whole, stderr never in the way."""

# as in __main__
import _signal as signal  # type: ignore[import-not-found]
import errno
import os
import select
import stat

STDIN, STDOUT, STDERR = 0, 1, 2
_CHUNK = 1 << 16
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def reserve_stderr() -> None:
    """Give a closed stderr's number to the null device, else the next connection gets it, and the diagnostics."""
    try:
        os.fstat(STDERR)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        if null != STDERR:
            os.dup2(null, STDERR)
            os.close(null)


def at_terminal() -> bool:
    """Say whether stdin is a terminal."""
    return os.isatty(STDIN)


def read(file: str, limit: int) -> bytes:
    """Return *file*, or stdin when it is empty, to its end or one byte more than *limit*.

    A closed stdin is an empty one. Raises `OSError`.
    """
    if not file:
        return _read_all(STDIN, limit)
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read_all(descriptor, limit)
    finally:
        os.close(descriptor)


def read_line(limit: int) -> bytes:
    """Return one line of stdin, or its first *limit* bytes."""
    line = bytearray()
    while len(line) < limit and not line.endswith(b"\n") and (byte := _available(STDIN, 1)):
        line += byte
    return bytes(line)


def _read_all(descriptor: int, limit: int) -> bytes:
    data = bytearray()
    while len(data) <= limit and (chunk := _available(descriptor, min(_CHUNK, limit + 1 - len(data)))):
        data += chunk
    return bytes(data)


def _available(descriptor: int, limit: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, limit)
        except BlockingIOError:
            _wait([descriptor], [])
        except OSError as error:
            if error.errno == errno.EBADF:
                return b""
            raise


def check_stdout() -> None:
    """Raise `OSError` when stdout is closed, so that no agent is started whose handle would be lost."""
    os.fstat(STDOUT)


def write_stdout(data: bytes) -> None:
    """Write all of *data*, out of reach of the signals that end the program: they come before it or after.

    Raises `OSError` when that fails; what a regular file has taken by then is cut off again.
    """
    size_before = _file_size(STDOUT)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        _write_all(STDOUT, data)
    except OSError:
        try:
            if size_before is not None:
                os.ftruncate(STDOUT, size_before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise


def error_line(line: str) -> None:
    """Write *line* to stderr; a closed or full stderr loses it silently."""
    try:
        _write_all(STDERR, line.encode() + b"\n")
    except OSError:
        return


def _file_size(descriptor: int) -> int | None:
    """Return the size of a regular file, None for anything else. Raises `OSError`."""
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            _wait([], [descriptor])


def _wait(readers: list[int], writers: list[int]) -> None:
    select.select(readers, writers, [])
