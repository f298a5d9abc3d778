"""The process: signals, streams and deep documents are treated as they are from source, and nothing stays behind."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.binary.conftest import ONE_PROBE, SPEC, is_ready
from tests.support.systems import needs_full_device

STARTS = 200


def test_version(program: Path) -> None:
    done = subprocess.run([program, "--version"], env={}, capture_output=True, text=True, check=True)
    name, version = done.stdout.split()
    assert name == "orch-executor-cf-worker"
    assert version[0].isdigit()


@pytest.mark.parametrize("arguments", [["--multiprocessing-fork", "3"], ["-c", "pass"], ["-m", "site"], ["-S"]])
def test_it_is_not_an_interpreter(program: Path, arguments: list[str]) -> None:
    done = subprocess.run([program, *arguments], env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_at_once_and_silently(program: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [program], env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(SPEC.format(url=url))
        process.stdin.close()
        process.stdin = None
        peer, _ = silent.accept()
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", "")
        peer.close()
    assert process.returncode == -number


@pytest.mark.parametrize("stdin", ["<&-", "</"])
def test_a_closed_stdin_or_a_directory_is_an_empty_one(program: Path, stdin: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec '{program}' {stdin}"], env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert "the input is empty" in done.stderr


@pytest.mark.parametrize(("closed", "code"), [(">&-", 70), ("2>&-", 0), ("<&- >&- 2>&-", 64)])
def test_closed_streams_are_noticed(program: Path, health: str, tmp_path: Path, closed: str, code: int) -> None:
    (tmp_path / "spec").write_text(SPEC.format(url=health))
    script = f"exec '{program}' <'{tmp_path}/spec' {closed}"
    done = subprocess.run(["sh", "-c", script], env=ONE_PROBE, capture_output=True, text=True, check=False)
    assert done.returncode == code


@needs_full_device
def test_a_full_stdout_is_reported(program: Path, health: str, tmp_path: Path) -> None:
    (tmp_path / "spec").write_text(SPEC.format(url=health))
    with Path("/dev/full").open("w") as full, (tmp_path / "spec").open() as spec:
        done = subprocess.run(
            [program], stdin=spec, env=ONE_PROBE, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 70
    assert "no space left on device" in done.stderr


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_no_depth_crashes_it(program: Path, opening: str) -> None:
    document = opening * (200_000 // len(opening))
    done = subprocess.run([program], input=document, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (65, "")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold more open files than a system may allow by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 5 * STARTS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_two_hundred_starts_at_once_leave_nothing_behind(program: Path, health: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec"
    spec.write_text(SPEC.format(url=health))
    folders = [folder for folder in (tmp_path, Path("/dev/shm"), Path("/var/tmp")) if folder.is_dir()]
    before = [set(folder.iterdir()) for folder in folders]
    running = [_start(program, spec) for _ in range(STARTS)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert is_ready(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    assert [set(folder.iterdir()) for folder in folders] == before


def _start(program: Path, spec: Path) -> subprocess.Popen[str]:
    environ = {**ONE_PROBE, **{name: str(spec.parent) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}}
    with spec.open() as stdin:
        return subprocess.Popen(
            [program],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=spec.parent,
            text=True,
        )
