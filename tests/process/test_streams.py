"""Stdout whole or empty, stderr never in the way, stdin in every state."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.manners import Call, Server
from tests.support.program import LIMIT_S, Program, handle
from tests.support.specs import LARGE, spec
from tests.support.systems import needs_full_device

OFFLINE = {"CF_WORKER_HEALTHCHECK": "0"}


def test_one_handle_and_nothing_else(program: Program) -> None:
    ended = program.run(spec(), env=OFFLINE)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(b"spec_version: v1\nname: lead\n")
    assert ended.out.endswith(b"\n")


def test_every_diagnostic_begins_with_the_programs_name(program: Program) -> None:
    ended = program.run(b"name: [\nagent: 3\n", env=OFFLINE)
    assert ended.code == 65
    assert all(line.startswith("orch-executor-cf-worker: ") for line in ended.err.splitlines())


@pytest.mark.parametrize("redirection", [">&-", pytest.param("> /dev/full", marks=needs_full_device)])
def test_a_stdout_that_takes_nothing_is_70(program: Program, redirection: str) -> None:
    ended = program.run(spec(), env=OFFLINE, within=f'exec "$@" {redirection}')
    assert (ended.code, ended.out) == (70, b"")
    assert "stdout cannot be written" in ended.err


def test_a_reader_that_has_gone_is_70(program: Program) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = program.run(spec(), env=OFFLINE, stdout=writer)
    finally:
        os.close(writer)
    assert ended.code == 70
    assert "broken pipe" in ended.err


def test_a_reader_that_goes_midway_is_70(program: Program) -> None:
    """A socket stands for the pipe, since it cannot be enlarged for a reader that is only slow."""
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with reader, writer, program.start(env=OFFLINE, stdout=writer.fileno()) as running:
        writer.close()
        threading.Thread(target=running.feed, args=(LARGE,), daemon=True).start()
        reader.recv(1)
        reader.close()
        assert running.child.wait(60) == 70


@needs_full_device
def test_version_and_help_tell_of_a_lost_stdout_too(program: Program) -> None:
    for argument in ("--version", "--help"):
        ended = program.run(b"", argument, within='exec "$@" > /dev/full')
        assert ended.code == 70
        assert "stdout cannot be written" in ended.err


def test_a_file_that_may_not_grow_is_left_as_it_was(program: Program, tmp_path: Path) -> None:
    """The limit on a file's size stands for a disk that fills up within the handle."""
    file = tmp_path / "handle.yaml"
    file.write_bytes(b"# before\n")
    with file.open("ab") as out:
        env = {**OFFLINE, "PYTHONDONTWRITEBYTECODE": "1"}  # else the limit could cut a module's cached bytecode short
        ended = program.run(LARGE, env=env, stdout=out, within='ulimit -f 1; exec "$@"')
    assert ended.code == 70
    assert file.read_bytes() == b"# before\n"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_partial_handle(program: Program, tiny_disk: Path) -> None:
    file = tiny_disk / "handle.yaml"
    with file.open("wb") as out:
        ended = program.run(LARGE, env=OFFLINE, stdout=out)
    assert ended.code == 70
    assert "no space left on device" in ended.err
    assert file.read_bytes() == b""


def test_a_slow_reader_gets_all_of_a_large_handle(program: Program) -> None:
    with program.start(env=OFFLINE) as running:
        threading.Thread(target=running.feed, args=(LARGE,), daemon=True).start()
        assert running.child.stdout
        out = b""
        while chunk := os.read(running.child.stdout.fileno(), 1000):
            out += chunk
        ended = running.end()._replace(out=out)
    assert len(out) > 65_536
    assert handle(ended)["status"] == "pending"


def test_a_stdout_that_does_not_block_gets_all_of_a_large_handle(program: Program) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
    with os.fdopen(reader, "rb") as stream, program.start(env=OFFLINE, stdout=writer) as running:
        os.close(writer)
        threading.Thread(target=running.feed, args=(LARGE,), daemon=True).start()
        out = stream.read()
        ended = running.end()._replace(out=out)
    assert handle(ended)["status"] == "pending"


ENDING = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)


@ENDING
def test_no_signal_cuts_a_handle_short(program: Program, number: signal.Signals) -> None:
    """A socket takes little at a time and cannot grow, so that the signal comes in the middle."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with ours, program.start(env=OFFLINE, stdout=theirs.fileno()) as running:
        theirs.close()
        threading.Thread(target=running.feed, args=(LARGE,), daemon=True).start()
        out = ours.recv(1)
        os.kill(running.child.pid, number)
        while more := ours.recv(65_536):
            out += more
        ended = running.end()._replace(out=out)
    assert handle(ended)["status"] == "pending"


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """Return a pipe that takes nothing more, and that nobody reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * select.PIPE_BUF)
    os.set_blocking(writer, True)
    yield reader, writer
    os.close(reader)
    os.close(writer)


@ENDING
def test_a_signal_ends_it_while_a_reader_takes_nothing(
    program: Program, full_pipe: tuple[int, int], number: signal.Signals
) -> None:
    reader, writer = full_pipe
    filled = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) if hasattr(fcntl, "F_GETPIPE_SZ") else 0
    with program.start(env=OFFLINE, stdout=writer) as running:
        running.feed(spec("path/to/worker.ts"))
        running.wait_for("is a path")
        time.sleep(0.5)  # it has come to the writing by then; where it has not, the signal ends it all the same
        os.kill(running.child.pid, number)
        code = running.child.wait(LIMIT_S)
    assert code == -number
    if filled:
        assert set(os.read(reader, 10 * filled)) == {ord(".")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_a_terminal_takes_nothing(program: Program, number: signal.Signals) -> None:
    """Also after the first byte, since the user may have stopped the output of what is too long."""
    ours, theirs = pty.openpty()
    with program.start(env=OFFLINE, stdout=theirs) as running:
        os.close(theirs)
        running.feed(LARGE)
        assert os.read(ours, 1)
        os.kill(running.child.pid, number)
        assert running.child.wait(LIMIT_S) == -number
    os.close(ours)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="only Linux lets a pipe grow")
def test_a_large_handle_waits_for_no_reader(program: Program) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream:
        ended = program.run(LARGE, env=OFFLINE, stdout=writer)
        os.close(writer)
        ended = ended._replace(out=stream.read())
    assert len(ended.out) > 65_536
    assert handle(ended)["status"] == "pending"


def test_a_stderr_that_takes_nothing_changes_nothing_else(program: Program, full_pipe: tuple[int, int]) -> None:
    env = {**OFFLINE, "CF_WORKER_HEALTHCHECK_RETRIES": "no"}
    ended = program.run(spec("path/to/worker.ts"), env=env, stderr=full_pipe[1])
    assert handle(ended)["status"] == "pending"
    refused = program.run(b"name: [\n", env=env, stderr=full_pipe[1])
    assert (refused.code, refused.out) == (65, b"")


@pytest.mark.parametrize("redirection", ["2>&-", pytest.param("2> /dev/full", marks=needs_full_device)])
def test_a_lost_stderr_changes_nothing_else(program: Program, redirection: str) -> None:
    within = f'exec "$@" {redirection}'
    assert handle(program.run(spec("path/to/worker.ts"), env=OFFLINE, within=within))["status"] == "pending"
    refused = program.run(b"nonsense", env=OFFLINE, within=within)
    assert (refused.code, refused.out) == (65, b"")


def test_a_stderr_whose_reader_has_gone_changes_nothing_else(program: Program) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = program.run(spec("path/to/worker.ts"), env=OFFLINE, stderr=writer)
    finally:
        os.close(writer)
    assert handle(ended)["status"] == "pending"


def test_the_diagnostics_of_a_closed_stderr_reach_no_connection(program: Program) -> None:
    """A connection that got its number would get them."""
    heard = b""

    def listen(call: Call) -> None:
        nonlocal heard
        while more := call.peer.recv(65536):
            heard += more

    env = {"CF_WORKER_HEALTHCHECK_TIMEOUT_MS": "500"}
    with Server(listen) as server:
        ended = program.run(spec(server.url), env=env, within='exec "$@" 2>&-')
    assert handle(ended)["status"] == "failed"
    assert heard == b""


def test_a_closed_stdin_counts_as_empty(program: Program) -> None:
    ended = program.run(b"", env=OFFLINE, within='exec "$@" <&-')
    assert (ended.code, ended.out) == (64, b"")
    assert "the input is empty" in ended.err


def test_all_streams_closed_is_64(program: Program) -> None:
    ended = program.run(b"", env=OFFLINE, within='exec "$@" <&- >&- 2>&-')
    assert ended.code == 64


@pytest.mark.parametrize("stdin", [b"", b"\n", b" \t\r\n\n"])
def test_an_empty_stdin_is_64(program: Program, stdin: bytes) -> None:
    ended = program.run(stdin, env=OFFLINE)
    assert (ended.code, ended.out) == (64, b"")
    assert "the input is empty" in ended.err


def test_a_file_as_stdin(program: Program, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes(spec())
    assert handle(program.run(b"", env=OFFLINE, within='exec "$@" < spec.yaml'))["name"] == "lead"


def test_stdin_may_come_in_pieces(program: Program) -> None:
    with program.start(env=OFFLINE) as running:
        for byte in spec():
            running.feed(bytes([byte]), close=False)
        running.feed(b"")
        assert handle(running.end())["name"] == "lead"


def test_a_stdin_that_does_not_block_is_awaited(program: Program) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)
    with program.start(env=OFFLINE, stdin=reader) as running:
        os.close(reader)
        with os.fdopen(writer, "wb") as stream:
            stream.write(spec())
        assert handle(running.end())["name"] == "lead"
