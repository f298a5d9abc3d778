"""Measures the one-file program against its peers, in one run, so that the ratios hold on any machine.

usage: bench.py PROGRAM PROFILED

PROFILED is a copy of the program that tells what its imports cost. Prints two Markdown tables. Times are medians of
wall-clock milliseconds; the commands of a row take turns, all of them in the environment of the caller, which matters:
with `NODE_EXTRA_CA_CERTS` set, Node's start takes three times as long.
"""

from __future__ import annotations

import gzip
import http.server
import lzma
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROUNDS = 41
WARM_UP = 3
_SPENT = re.compile(r"^(?:import|total) (\S+) ([0-9]+)$", re.MULTILINE)
LARGEST = 14
"""Packages of the profile that are printed."""

SPEC = """\
spec_version: v1
name: lead-engineer
agent: echo
cf-worker:
  script: {url}
labels:
  team: edge
"""

ONE_PROBE = {"CF_WORKER_BOOTSTRAP": "0", "CF_WORKER_HEALTHCHECK_RETRIES": "1"}


class Health(http.server.BaseHTTPRequestHandler):
    """Answers as a healthy Worker does."""

    def do_GET(self) -> None:
        """Say that all is well."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Keep the table alone on the terminal."""


# Linux counts the memory of whoever forks as the child's: this parent holds less than any child.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
os.write(2, str(used.ru_maxrss).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Command:
    """One command of the comparison, run on a spec; remembers its times."""

    def __init__(self, *calls: Sequence[str], spec: bytes = b"", environ: dict[str, str] | None = None) -> None:
        self._calls = calls
        self._spec = spec
        self._environ = {**os.environ, **(environ or {})}
        self.milliseconds: list[float] = []

    def run(self) -> None:
        """Run all calls in sequence once and note how long they took."""
        began = time.perf_counter()
        for call in self._calls:
            self._one(call)
        self.milliseconds.append((time.perf_counter() - began) * 1000)

    def _one(self, call: Sequence[str]) -> bytes:
        done = subprocess.run(call, input=self._spec, env=self._environ, capture_output=True, check=True)
        return done.stderr

    def import_shares(self) -> dict[str, float]:
        """Run once more, the profiled copy, and return the share of its time that each package's own code took."""
        told = self._one(self._calls[0]).decode()
        spent = {name: int(microseconds) for name, microseconds in _SPENT.findall(told)}
        total = spent.pop("*")
        return {name: own / total for name, own in spent.items()}

    def peak_mib(self) -> float:
        """Run once more and return the most memory that the process held, in MiB."""
        parent = [os.path.realpath(sys.executable), "-I", "-S", "-c", MEASURE]
        return float(self._one([*parent, *self._calls[0]])) / 1024

    @property
    def median(self) -> float:
        """The median of all counted runs, in milliseconds."""
        return statistics.median(self.milliseconds)


def compare(*commands: Command) -> None:
    """Run the commands in turn, so that a change of the machine's pace meets them all."""
    for number in range(WARM_UP + ROUNDS):
        for command in commands:
            command.run()
            if number < WARM_UP:
                command.milliseconds.clear()


def table(program: Path, url: str) -> list[str]:
    """Measure, and return the rows."""
    file = str(program)
    node = shutil.which("node") or sys.exit("bench needs node")
    python = os.path.realpath(sys.executable)
    spec = SPEC.format(url=url).encode()
    spawn = Command([file], spec=spec, environ=ONE_PROBE)
    node_twice = Command([node, "-e", "0"], [node, "-e", "0"])
    compare(spawn, node_twice)
    version = Command([file, "--version"])
    bare = Command([python, "-I", "-S", "-c", "pass"])
    compare(version, bare)
    data = program.read_bytes()
    paired = statistics.median(a / b for a, b in zip(spawn.milliseconds, node_twice.milliseconds, strict=True))
    paired_version = statistics.median(a / b for a, b in zip(version.milliseconds, bare.milliseconds, strict=True))
    return [
        "| what | measured | peer | ratio | bar | aim |",
        "|---|---|---|---|---|---|",
        f"| spawn, one probe over http | {spawn.median:.1f} ms | `node -e 0` twice: {node_twice.median:.1f} ms "
        f"| {paired:.2f} | 0.60 | 0.35 |",
        f"| `--version` | {version.median:.1f} ms | `python3 -I -S -c pass`: {bare.median:.1f} ms "
        f"| {paired_version:.2f} | 1.50 | 1.10 |",
        f"| peak memory of a spawn | {statistics.median(spawn.peak_mib() for _ in range(5)):.1f} MiB | | | 30 | 20 |",
        f"| file | {len(data) / 1e6:.2f} MB | | | 13.5 | 9 |",
        f"| file, gzip | {len(gzip.compress(data, 9)) / 1e6:.2f} MB | | | 5.5 | |",
        f"| file, xz | {len(lzma.compress(data)) / 1e6:.2f} MB | | | | |",
    ]


def profile(program: Path, url: str) -> list[str]:
    """Return where the time of a spawn goes after the interpreter's own start, the largest shares first."""
    command = Command([str(program)], spec=SPEC.format(url=url).encode(), environ=ONE_PROBE)
    runs = [command.import_shares() for _ in range(7)]
    shares = {name: statistics.median(run.get(name, 0) for run in runs) for name in runs[0]}
    largest = sorted(shares.items(), key=lambda share: -share[1])[:LARGEST]
    rest = 1 - sum(shares.values())
    rows = [f"| {name} | {share:.0%} |" for name, share in largest]
    return ["| import of | share of a spawn |", "|---|---|", *rows, f"| (no import: the work itself) | {rest:.0%} |"]


def main() -> None:
    """Serve a health route and print the tables."""
    program, profiled = (Path(name).resolve(strict=True) for name in sys.argv[1:])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    print("\n".join([*table(program, url), "", *profile(profiled, url)]))
    server.shutdown()


if __name__ == "__main__":
    main()
