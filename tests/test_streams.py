"""Standard streams at the level of descriptors; the process tests show them from outside."""

import os
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
        streams.stdout_writable()
        written = threading.Thread(target=streams.write_stdout, args=(data,))
        written.start()
        written.join()
    thread.join()
    assert taken == data


def test_a_closed_stdout_is_known_beforehand(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[1])
    with as_descriptor("STDOUT", pipe[1], monkeypatch), pytest.raises(OSError, match="Bad file descriptor"):
        streams.stdout_writable()


def test_a_lost_stderr_is_no_error(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[1])
    with as_descriptor("STDERR", pipe[1], monkeypatch):
        streams.error_line("lost")


def test_a_diagnostic_is_a_line(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    with as_descriptor("STDERR", writer, monkeypatch):
        streams.error_line("ü")
    assert os.read(reader, 100) == "ü\n".encode()
