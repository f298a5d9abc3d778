"""Runs a test's command in a mount name space of its own, so that nothing it mounts reaches the machine."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path


def in_namespace(setup: Sequence[str], command: str) -> list[str]:
    """Return the call that prepares a private view of the file system with *setup* and runs *command* there."""
    return ["unshare", "--mount", "sh", "-ec", "\n".join([*setup, f"exec {command}"])]


class Root:
    """A folder to become `/`, at first with the program in it and nothing else."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        shutil.copy2(program, folder / program.name)
        self.program = f"/{program.name}"

    def write(self, path: str, text: str) -> None:
        """Put a file into this root."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def call(self, *, proc: bool = True, environ: Sequence[str] = ()) -> list[str]:
        """Return the call that runs the program in this root, with `/proc` or without."""
        place = shlex.quote(str(self.folder))
        if proc:
            (self.folder / "proc").mkdir(exist_ok=True)
        mounts = [f"mount -t proc proc {place}/proc"] if proc else []
        return in_namespace(mounts, f"env {shlex.join(environ)} chroot {place} {self.program}")
