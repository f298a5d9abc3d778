"""A private network namespace: addresses, a resolv.conf and a hosts file that no other process sees.

Whatever a test sends stays inside: there is no way out of it.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

Made = TypeVar("Made")

_CLONE_NEWNET = 0x40000000

_SETUP = """
ip link set lo up
mount --bind "$1" /etc/resolv.conf
mount --bind "$2" /etc/hosts
ip link add hole type veth peer name sink
ip address add 10.9.0.1/24 dev hole
ip -6 address add fd09::1/64 dev hole nodad
ip link set hole up
ip link set sink up
ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev hole
ip -6 neighbour add fd09::2 lladdr 02:00:00:00:00:02 dev hole
echo ready
read -r end
"""

SWALLOWING = ("10.9.0.2", "fd09::2")
"""Unused addresses: packets to them get no response of any kind."""


class Namespace:
    """Loopback and the addresses of `SWALLOWING`, for as long as the block lasts. Skips where that needs rights."""

    def __init__(self, folder: Path, resolv_conf: str = "", hosts: str = "") -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("needs root, and the name spaces of Linux")
        for name, text in (("resolv.conf", resolv_conf), ("hosts", hosts)):
            (folder / name).write_bytes(text.encode())
        files = [str(folder / "resolv.conf"), str(folder / "hosts")]
        command = ["unshare", "--net", "--mount", "sh", "-ec", _SETUP, "sh", *files]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )

    def __enter__(self) -> Self:
        assert self._holder.stdout
        assert self._holder.stderr
        if self._holder.stdout.readline() != b"ready\n":
            said = self._holder.stderr.read().decode()
            self.__exit__(None, None, None)
            pytest.skip(f"no name space can be had here: {said}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert stream
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._holder.wait()

    def within(self, prefix: str = "") -> str:
        """Return the script that runs a program inside, for `Program.run`; *prefix* is a command that runs another."""
        return f'exec nsenter --target {self._holder.pid} --net --mount -- {prefix} "$@"'

    def make(self, make: Callable[[], Made]) -> Made:
        """Return what *make* makes inside: a socket keeps to the network that it was made in."""
        made: list[Made] = []
        thread = threading.Thread(target=lambda: made.append(self._made_inside(make)))
        thread.start()
        thread.join()
        return made[0]

    def _made_inside(self, make: Callable[[], Made]) -> Made:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{self._holder.pid}/ns/net").open() as network:
            if libc.setns(network.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        return make()
