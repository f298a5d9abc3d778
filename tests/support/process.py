"""A server process: started, awaited, and stopped by its own pid."""

import contextlib
import functools
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_LIMIT_S = 20.0
STOP_LIMIT_S = 10.0


# Below the ports that systems give to connections: one of those could be taken again before the server binds to it.
_PORTS = range(10_240, 32_768)
_candidates = itertools.cycle(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """Return a free TCP port, a different one at each call."""
    for port in itertools.islice(_candidates, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError("no port is free")


def listens(port: int) -> bool:
    """Return whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# Reads ids of process groups, negative ones of those that have ended, and kills what is left when its input ends.
_KEEPER = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    group = int(line)
    groups.add(group) if group > 0 else groups.discard(-group)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        _tell_keeper(self.pid)
"""


@functools.cache
def _keeper() -> subprocess.Popen[str]:
    """Start what ends the servers when the tests themselves are killed."""
    argv = [sys.executable, "-I", "-S", "-c", _KEEPER]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)


def _tell_keeper(group: int) -> None:
    keeper = _keeper().stdin
    assert keeper is not None
    keeper.write(f"{group}\n")


class ServerError(Exception):
    """A server did not start; the message ends with the last of its log."""


class Process:
    """A child process whose output goes to a log file."""

    def __init__(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start the process; `env` replaces the environment when given."""
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                # A process group of its own, so that what it starts itself ends with it.
                start_new_session=True,
            )
        _tell_keeper(self.pid)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says so. Raises ServerError when the process ends first or takes too long."""
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise ServerError(f"{self._child.args!r} did not start:\n{tail}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._child.send_signal(number)

    def wait(self) -> None:
        """Wait until the process ends by itself. Raises TimeoutExpired."""
        self._child.wait(START_LIMIT_S)

    def stop(self) -> None:
        """Terminate the process, and kill it if it does not end."""
        self._signal_group(signal.SIGTERM)
        try:
            self._child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        _tell_keeper(-self.pid)

    def kill(self) -> None:
        """Kill the process, as in a crash."""
        self._signal_group(signal.SIGKILL)
        self._child.wait()
        _tell_keeper(-self.pid)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


class Server:
    """A program that a test may start and end several times; what it keeps over that is the subclass's to say."""

    _process: Process | None = None

    def start(self) -> Self:
        """Start it and wait until it serves."""
        raise NotImplementedError

    @property
    def process(self) -> Process:
        """The running program."""
        assert self._process is not None
        return self._process

    def stop(self) -> None:
        """Stop it; does nothing when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """Kill it, as in a crash."""
        self.process.kill()
        self._process = None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()
