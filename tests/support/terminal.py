"""The program at a terminal of a given width: what it writes, what a user types, and what the screen then shows."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import pyte

from tests.support.program import LIMIT_S, Program

ROWS = 200
END_OF_INPUT = b"\x04"
INTERRUPT = b"\x03"


class Terminal:
    """A process of *program* whose standard streams are a terminal, which also controls it.

    *within* is a shell's script that starts the program as `exec "$@"`, with streams of its own choice.
    """

    def __init__(
        self,
        program: Program,
        *arguments: str,
        columns: int = 100,
        env: Mapping[str, str] | None = None,
        within: str = "",
    ) -> None:
        self._columns = columns
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS if columns else 0, columns, 0, 0))
        wrapper = ["/bin/sh", "-c", within, "sh"] if within else []
        self.child = subprocess.Popen(
            [*wrapper, *program.command, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**program.environ, "TERM": "xterm-256color", **(env or {})},
            cwd=program.home,
            start_new_session=True,
            # What runs between fork and exec needs no lock that another thread could hold.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  as above
        )
        os.close(theirs)
        self._written: list[bytes] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._reader.join(LIMIT_S)
        os.close(self._ours)

    @property
    def written(self) -> str:
        """All that came to the terminal so far, with lines as programs write them."""
        return b"".join(self._written).decode().replace("\r\n", "\n")

    def wait_for(self, words: str) -> None:
        """Return as soon as the terminal got *words*."""
        with self._changed:
            found = self._changed.wait_for(lambda: words in self.written, LIMIT_S)
        assert found, f"{words!r} did not appear, only {self.written!r}"

    def type(self, keys: bytes) -> None:
        """Type *keys*."""
        os.write(self._ours, keys)

    def end(self) -> int:
        """Wait for the end of the program and return its exit code, negative for a signal."""
        code = self.child.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code

    def screen(self) -> list[str]:
        """Return the lines that the screen shows at the end, without trailing spaces and empty lines."""
        screen = pyte.Screen(self._columns, ROWS)
        pyte.ByteStream(screen).feed(b"".join(self._written))
        lines = [line.rstrip() for line in screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _collect(self) -> None:
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as EIO
            while chunk := os.read(self._ours, 65_536):
                with self._changed:
                    self._written.append(chunk)
                    self._changed.notify_all()


def run(program: Program, *arguments: str, columns: int = 100, env: Mapping[str, str] | None = None) -> Terminal:
    """Run the program at a terminal to its end, and return the terminal."""
    with Terminal(program, *arguments, columns=columns, env=env) as terminal:
        terminal.end()
    return terminal
