"""The process: signals, streams and deep documents are treated as they are from source, and nothing stays behind."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.binary.conftest import ONE_PROBE, SPEC, is_ready

STARTS = 200


def test_version(program: Path) -> None:
    done = subprocess.run([program, "--version"], env={}, capture_output=True, text=True, check=True)
    name, version = done.stdout.split()
    assert name == "orch-executor-cf-worker"
    assert version[0].isdigit()


@pytest.mark.parametrize("arguments", [["--multiprocessing-fork", "3"], ["-c", "pass"], ["-m", "site"], ["-S"]])
def test_is_no_interpreter(program: Path, arguments: list[str]) -> None:
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


def _relocated(program: Path) -> range:
    """Return the addresses of what is written only while *program* is relocated, counted from where it is loaded."""
    said = subprocess.run(
        ["readelf", "--wide", "--program-headers", program], check=True, capture_output=True, text=True
    )
    row = next(line.split() for line in said.stdout.splitlines() if line.strip().startswith("GNU_RELRO"))
    start, size = int(row[2], 16), int(row[5], 16)
    return range(start, start + size)


def _access(process: int, program: Path) -> dict[range, str]:
    """Return how the memory of *process* may be used, by addresses counted from where *program* is loaded."""
    lines = [line.split(maxsplit=5) for line in Path(f"/proc/{process}/maps").read_text().splitlines()]
    ends = [[int(address, 16) for address in line[0].split("-")] for line in lines]
    loaded = next(first for line, (first, _) in zip(lines, ends, strict=True) if line[-1] == str(program))
    return {range(first - loaded, last - loaded): line[1] for line, (first, last) in zip(lines, ends, strict=True)}


def test_relocated_data_is_read_only_while_it_runs(program: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            [program], env={}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdin is not None
            process.stdin.write(SPEC.format(url=url))
            process.stdin.close()
            peer, _ = silent.accept()
            access = _access(process.pid, program)
            process.kill()
            peer.close()
    relocated = _relocated(program)
    for address in (relocated[0], relocated[len(relocated) // 2], relocated[-1]):
        assert [allowed for part, allowed in access.items() if address in part] == ["r--p"]


def test_a_closed_stdin_is_an_empty_one(program: Path) -> None:
    done = subprocess.run(["sh", "-c", f"exec '{program}' <&-"], env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 70), ("2>&-", 0), ("<&- >&- 2>&-", 64)])
def test_closed_streams_are_noticed(program: Path, health: str, tmp_path: Path, closed: str, code: int) -> None:
    (tmp_path / "spec").write_text(SPEC.format(url=health))
    script = f"exec '{program}' <'{tmp_path}/spec' {closed}"
    done = subprocess.run(["sh", "-c", script], env=ONE_PROBE, capture_output=True, text=True, check=False)
    assert done.returncode == code


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


def test_two_hundred_starts_at_once_leave_nothing_behind(program: Path, health: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec"
    spec.write_text(SPEC.format(url=health))
    folders = [tmp_path, Path("/dev/shm"), Path("/var/tmp")]
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
