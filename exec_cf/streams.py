"""The standard streams: bounded reads from stdin, one complete write to stdout, best-effort lines to stderr."""

# as in __main__
import _signal as signal  # type: ignore[import-not-found]
import errno
import fcntl
import os
import select
import stat
from time import monotonic

STDIN, STDOUT, STDERR = 0, 1, 2
_CHUNK = 1 << 16
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def reserve_stderr() -> None:
    """Occupy the descriptor of a closed stderr with something that cannot be written to.

    Otherwise a connection could get that descriptor, and the diagnostics would be sent to its peer.
    """
    try:
        os.fstat(STDERR)
    except OSError:
        _occupy(STDERR)


def _occupy(number: int) -> None:
    try:
        root = os.open("/", _NEVER_WRITABLE)
        if root != number:
            try:
                os.dup2(root, number)
            finally:
                os.close(root)
    except OSError:
        return  # no descriptor is left, so a connection cannot get one either


# Where it exists, this needs no permission to read the folder.
_NEVER_WRITABLE = getattr(os, "O_PATH", os.O_RDONLY)


def at_terminal() -> bool:
    """Return whether stdin is a terminal."""
    return os.isatty(STDIN)


def can_ask() -> bool:
    """Return whether stdin and stderr are terminals."""
    return os.isatty(STDIN) and os.isatty(STDERR)


def columns() -> int | None:
    """Return the width of the terminal on stdout: 0 if it is unknown, None if stdout is not a terminal."""
    if not os.isatty(STDOUT):
        return None
    try:
        return os.get_terminal_size(STDOUT).columns
    except OSError:
        return 0


def read(file: str, limit: int) -> bytes:
    """Return the content of *file*, or of stdin if *file* is empty: at most *limit* + 1 bytes.

    A closed stdin counts as empty. Raises `OSError`.
    """
    if not file:
        return _read_all(STDIN, limit)
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read_all(descriptor, limit)
    finally:
        os.close(descriptor)


def read_line(limit: int) -> bytes:
    """Return one line of stdin, cut at *limit* bytes."""
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
    """Raise `OSError` if stdout is closed, so that no agent is started whose handle would be lost."""
    os.fstat(STDOUT)


def write_stdout(data: bytes) -> None:
    """Write all of *data*. A signal can end the program until the first byte is written, but not after that.

    A terminal is the exception: a user who has stopped its output, or finds it too long, can always end the program.
    Raises `OSError` on failure, after truncating a regular file to its previous size.
    """
    size_before = _file_size(STDOUT)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        begun = _begin(data, mask, () if os.isatty(STDOUT) else _ENDING)
        _finish(data[begun:])
    except OSError:
        try:
            if size_before is not None:
                os.ftruncate(STDOUT, size_before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise


def _begin(data: bytes, mask: set[int], blocked: tuple[int, ...]) -> int:
    """Write the beginning of *data* and return its length in bytes. The signals *blocked* are so from then on."""
    begun = 0
    while not begun:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _wait([], [STDOUT])
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        begun = _write_some(STDOUT, data)
    return begun


def _finish(rest: bytes) -> None:
    """Write *rest*. If nobody reads for a while, enlarge the pipe, so that a handle that was begun is completed."""
    while rest:
        if not select.select([], [STDOUT], [], _READER_PATIENCE_S)[1]:
            _make_room(STDOUT, len(rest))
            _wait([], [STDOUT])
        rest = rest[_write_some(STDOUT, rest) :]


_READER_PATIENCE_S = 0.5


class Stderr:
    """Standard error. A full stderr is waited for, *patience_s* seconds in total; what then remains is dropped."""

    def __init__(self, patience_s: float = 1.0) -> None:
        self._patience_s = patience_s

    def write_line(self, line: str) -> None:
        """Write *line* and a line feed, or as much of it as stderr accepts."""
        self.write(line + "\n")

    def write(self, text: str) -> None:
        """Write *text*, or as much of it as stderr accepts."""
        rest = text.encode()
        try:
            while rest and self._is_ready():
                rest = rest[_write_some(STDERR, rest) :]
        except OSError:
            return

    def _is_ready(self) -> bool:
        began = monotonic()
        ready = bool(select.select([], [STDERR], [], self._patience_s)[1])
        self._patience_s = max(0.0, self._patience_s - (monotonic() - began))
        return ready


def _file_size(descriptor: int) -> int | None:
    """Return the size of a regular file, None for anything else. Raises `OSError`."""
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _make_room(descriptor: int, size: int) -> None:
    """Let a pipe hold *size* bytes more, where the system can."""
    try:
        capacity = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, capacity + size)
    except (AttributeError, OSError):
        return  # not a pipe, not Linux, or more than a user may have


def _write_some(descriptor: int, data: bytes) -> int:
    """Write the beginning of *data* to a descriptor that was found ready, and return how much; 0 when it was not.

    A pipe that is ready takes this many bytes as one, without making the writer wait.
    """
    try:
        return os.write(descriptor, data[: select.PIPE_BUF])
    except BlockingIOError:
        return 0


def _wait(readers: list[int], writers: list[int]) -> None:
    select.select(readers, writers, [])
