"""Standard streams at the level of descriptors; the process tests show them from outside."""

import contextlib
import fcntl
import os
import pty
import select
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


def test_a_lost_stderr_is_ignored(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[1])
    with as_descriptor("STDERR", pipe[1], monkeypatch):
        streams.Stderr().write_line("lost")


def test_a_diagnostic_is_a_line(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    with as_descriptor("STDERR", writer, monkeypatch):
        streams.Stderr().write_line("ü")
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


@pytest.fixture
def full(pipe: tuple[int, int]) -> tuple[int, int]:
    """Return a pipe that takes nothing more."""
    os.set_blocking(pipe[1], False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b"." * select.PIPE_BUF)
    os.set_blocking(pipe[1], True)
    return pipe


def test_a_stderr_that_takes_nothing_loses_lines_until_it_takes_them_again(
    full: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_descriptor("STDERR", full[1], monkeypatch):
        stderr = streams.Stderr(patience_s=0.01)
        stderr.write_line("lost")
        os.read(full[0], 1_000_000)
        stderr.write_line("taken")
    assert os.read(full[0], 100) == b"taken\n"


def test_stderr_is_waited_for_a_second_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.4, 0.4, 1.4, 1.4, 1.4])
    waits: list[float] = []

    def nothing_is_ready(*arguments: object) -> tuple[list[int], list[int], list[int]]:
        waits.append(float(str(arguments[3])))
        return [], [], []

    monkeypatch.setattr("exec_cf.streams.monotonic", lambda: next(clock))
    monkeypatch.setattr("exec_cf.streams.select.select", nothing_is_ready)
    stderr = streams.Stderr()
    for _ in range(3):
        stderr.write_line("lost")
    assert waits == [1.0, 0.6, 0.0]


def test_a_large_handle_fits_into_a_pipe_that_nobody_reads(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("only Linux lets a pipe grow")
    data = b"x" * 200_000
    with as_descriptor("STDOUT", pipe[1], monkeypatch):
        written = threading.Thread(target=streams.write_stdout, args=(data,))
        written.start()
        written.join()
    os.close(pipe[1])
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        assert stream.read() == data


_SHOWS_STANDARD_STREAMS = """
import os, resource, stat, sys
from exec_cf import streams
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
streams.reserve_stderr()
def kind(descriptor):
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return "closed"
    return "folder" if stat.S_ISDIR(mode) else "device"
try:
    os.write(2, b"x")
    taken = "taken"
except OSError:
    taken = "lost"
print(kind(0), kind(2), taken, kind(3), kind(4))
"""


@pytest.mark.parametrize(
    ("closed", "wanted"),
    [
        ("2>&-", "device folder lost"),
        ("<&- 2>&-", "closed folder lost"),
        ("<&-", "closed device taken"),
    ],
)
@pytest.mark.parametrize("descriptors", ["3", "100"])
def test_a_closed_stderr_gets_what_cannot_be_written_and_nothing_else_does(
    closed: str, wanted: str, descriptors: str
) -> None:
    python = [sys.executable, "-c", _SHOWS_STANDARD_STREAMS, descriptors]
    shell = ["sh", "-c", f'exec "$@" < /dev/zero 2> /dev/zero {closed}', "sh", *python]
    said = subprocess.run(shell, stdout=subprocess.PIPE, check=True).stdout.decode()
    assert said.strip() == f"{wanted} closed closed"


def test_a_closed_stderr_stays_closed_where_no_descriptor_is_left() -> None:
    python = [sys.executable, "-c", _SHOWS_STANDARD_STREAMS, "0"]
    shell = ["sh", "-c", 'exec "$@" < /dev/zero 2>&-', "sh", *python]
    said = subprocess.run(shell, stdout=subprocess.PIPE, check=True).stdout.decode()
    assert said.strip() == "device closed lost closed closed"
