"""The program under test as a process: run to its end, or started and controlled."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import yaml

LIMIT_S = 60.0
"""Seconds after which a test fails if a process has not ended."""

_MEASURE = """
import os, resource, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small parent: Linux counts the memory of whoever forks as the child's, and pytest's is large."""


class Ended(NamedTuple):
    """The result of a run."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        """The diagnostics, each without the program's name."""
        return [line.removeprefix("orch-executor-cf-worker: ") for line in self.err.splitlines()]


class Running:
    """A process of the program, killed on exit from the `with` block if it still lives."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.child = child
        self._err: list[bytes] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._reader.join(LIMIT_S)
        if self.child.stderr:
            self.child.stderr.close()

    def feed(self, data: bytes, *, close: bool = True) -> None:
        """Write *data* to stdin."""
        stdin = _pipe(self.child.stdin)
        stdin.write(data)
        stdin.flush()
        if close:
            stdin.close()

    def wait_for(self, words: str) -> None:
        """Return as soon as *words* are on stderr, while the program is running."""
        with self._changed:
            found = self._changed.wait_for(lambda: words in self.err, LIMIT_S)
        assert found, f"{words!r} did not appear, only {self.err!r}"

    @property
    def err(self) -> str:
        """The diagnostics so far."""
        return b"".join(self._err).decode()

    def end(self) -> Ended:
        """Read stdout to its end, wait for the program and return the result."""
        out = self.child.stdout.read() if self.child.stdout else b""
        code = self.child.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return Ended(code, out, self.err)

    def _collect(self) -> None:
        if not self.child.stderr:
            return
        for line in self.child.stderr:
            with self._changed:
                self._err.append(line)
                self._changed.notify_all()


class Program:
    """A command line, and the clean environment that it runs in."""

    def __init__(self, command: Sequence[str], home: Path) -> None:
        self.command = list(command)
        self.home = home
        self.environ = {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8"}

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        clean: bool = False,
        stdin: int = subprocess.PIPE,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        within: str = "",
    ) -> Running:
        """Start the program in a session of its own.

        *clean* means *env* is all there is. *within* is a shell's script that starts the program as `exec "$@"`.
        """
        full = {**({} if clean else self.environ), **(env or {})}
        wrapper = ["/bin/sh", "-c", within, "sh"] if within else []
        child = subprocess.Popen(
            [*wrapper, *self.command, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=full,
            cwd=self.home,
            start_new_session=True,
        )
        return Running(child)

    def run(
        self,
        stdin: bytes = b"",
        *arguments: str,
        env: Mapping[str, str] | None = None,
        clean: bool = False,
        within: str = "",
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> Ended:
        """Run the program on *stdin* to its end."""
        with self.start(*arguments, env=env, clean=clean, within=within, stdout=stdout, stderr=stderr) as running:
            writer = threading.Thread(target=_feed, args=(running, stdin), daemon=True)
            writer.start()
            ended = running.end()
            writer.join(LIMIT_S)
            return ended

    def peak_memory(self, stdin: bytes, env: Mapping[str, str]) -> tuple[Ended, int]:
        """Run the program on *stdin*, and return the result and its peak memory in bytes."""
        report = self.home / "peak"
        measured = Program([sys.executable, "-ISc", _MEASURE, str(report), *self.command], self.home)
        ended = measured.run(stdin, env=env)
        unit = 1 if sys.platform == "darwin" else 1024
        return ended, int(report.read_text()) * unit


def _feed(running: Running, data: bytes) -> None:
    try:
        running.feed(data)
    except BrokenPipeError:
        return


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream
    return stream


def alive_in_session(leader: int) -> list[int]:
    """Return the processes of the session that *leader* began and that still live."""
    if not Path("/proc/self/stat").exists():
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(int(folder.name))
    return found


def handle(ended: Ended) -> dict[str, Any]:
    """Return the handle that a run printed, as another program would read it."""
    assert ended.code == 0, ended
    read: dict[str, Any] = yaml.safe_load(ended.out)
    return read


def outcome(ended: Ended) -> tuple[str, str]:
    """Return status and message of the handle that a run printed."""
    read = handle(ended)
    return read["status"], read.get("message", "")
