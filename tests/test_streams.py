"""Standard streams at the level of descriptors; the process tests show them from outside."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exec_cf import streams


@contextmanager
def as_descriptor(name: str, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(streams, name, descriptor)
        yield


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_stdin_is_read_to_its_end(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    os.write(writer, b"ab")
    os.close(writer)
    with as_descriptor("STDIN", reader, monkeypatch):
        assert streams.read("", 100) == b"ab"


def test_no_more_is_read_than_one_byte_beyond_the_most(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    os.write(writer, b"abcdef")
    with as_descriptor("STDIN", reader, monkeypatch):
        assert streams.read("", 3) == b"abcd"


def test_a_closed_stdin_is_an_empty_one(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[0])
    with as_descriptor("STDIN", pipe[0], monkeypatch):
        assert streams.read("", 3) == b""


def test_a_file_is_read_instead(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes(b"abc")
    assert streams.read(str(tmp_path / "spec.yaml"), 100) == b"abc"
    assert streams.read(str(tmp_path / "spec.yaml"), 1) == b"ab"


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_file_that_cannot_be_read_raises(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"No such file|Is a directory"):
        streams.read(str(tmp_path / name), 100)


def test_stdout_takes_all_of_it(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    data = b"x" * 1_000_000
    taken = bytearray()

    def drain() -> None:
        while len(taken) < len(data):
            taken.extend(os.read(reader, 10_000))

    thread = threading.Thread(target=drain)
    thread.start()
    with as_descriptor("STDOUT", writer, monkeypatch):
        streams.check_stdout()
        written = threading.Thread(target=streams.write_stdout, args=(data,))
        written.start()
        written.join()
    thread.join()
    assert taken == data


def test_a_closed_stdout_is_known_beforehand(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[1])
    with as_descriptor("STDOUT", pipe[1], monkeypatch), pytest.raises(OSError, match="Bad file descriptor"):
        streams.check_stdout()


def test_a_lost_stderr_is_no_error(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[1])
    with as_descriptor("STDERR", pipe[1], monkeypatch):
        streams.error_line("lost")


def test_a_diagnostic_is_a_line(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    with as_descriptor("STDERR", writer, monkeypatch):
        streams.error_line("ü")
    assert os.read(reader, 100) == "ü\n".encode()


def test_a_terminal_is_known_as_one(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pty.openpty()
    for descriptor, wanted in ((there, True), (pipe[0], False)):
        with as_descriptor("STDIN", descriptor, monkeypatch):
            assert streams.at_terminal() is wanted
    os.close(here)
    os.close(there)
    with as_descriptor("STDIN", there, monkeypatch):
        assert not streams.at_terminal()


def test_a_failed_write_leaves_the_signals_as_they_were(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was started for the handle is stopped then, which a signal has to be able to end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    os.close(pipe[0])
    with as_descriptor("STDOUT", pipe[1], monkeypatch), pytest.raises(BrokenPipeError):
        streams.write_stdout(b"x")
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == before


_SHOWS_STANDARD_STREAMS = """
import os
from exec_cf import streams
streams.reserve_stderr()
devices = {os.stat(f"/dev/{name}").st_rdev: name for name in ("null", "zero")}
def name(descriptor):
    try:
        return devices[os.fstat(descriptor).st_rdev]
    except OSError:
        return "closed"
print(name(0), name(2))
"""


@pytest.mark.parametrize(
    ("closed", "wanted"),
    [("2>&-", "zero null"), ("<&- 2>&-", "closed null"), ("<&-", "closed zero")],
)
def test_a_closed_stderr_gets_the_null_device_and_nothing_else_does(closed: str, wanted: str) -> None:
    python = [sys.executable, "-c", _SHOWS_STANDARD_STREAMS]
    shell = ["sh", "-c", f'exec "$@" < /dev/zero 2> /dev/zero {closed}', "sh", *python]
    assert subprocess.run(shell, stdout=subprocess.PIPE, check=True).stdout.decode().strip() == wanted
