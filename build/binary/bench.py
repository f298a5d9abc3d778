"""Measures the one-file program against another build of it and against the interpreter.

usage: bench.py PROGRAM AGAINST

AGAINST is an older build of the program, or one without a snapshot. Prints a Markdown table. Times are those of the
processor, or of the clock where the row says so, in milliseconds, medians. A ratio is the median of the ratios of runs
that follow each other, so it holds on any machine. As root on Linux the system's store is the real one, in a mount name
space of the measurement's own, with one certificate more; elsewhere a copy of its file.
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme

from exec_cf._bundle import COMPRESSED
from tests.support.relay import Relay

DELAY_S = 0.025
"""How late everything arrives in each direction, for the row by the clock."""

ROUNDS = 41
WARM_UP = 3

SYSTEM_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
SUBJECTS = {
    "prompt": "agents.prompt.open-agent.ann.lead",
    "status": "agents.status.open-agent.ann.lead",
    "hb": "agents.hb.open-agent.ann.lead",
    "signal": "orch.signal.>.open-agent.ann.lead",
}
SPEC = """\
spec_version: v1
name: lead-engineer
agent: echo
session: lead
owner: ann
cf-worker:
  script: {url}
labels:
  team: edge
"""


class Worker(http.server.BaseHTTPRequestHandler):
    """Answers a probe and a start as a healthy Worker does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Be healthy."""
        self._answer(200, {})

    def do_POST(self) -> None:
        """Start an agent."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, {"state": "ready", "agent": "echo", "abort": "/control/abort/lead", "subjects": SUBJECTS})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing, so that only the table is printed."""


class Server(http.server.ThreadingHTTPServer):
    """Serves one client after another; each disconnects as soon as it has its response."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Expect that."""


@contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve a Worker on loopback, and yield its URL."""
    server = Server(("127.0.0.1", 0), Worker)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Command:
    """One command of a comparison, with its input and its environment; remembers the time of each run."""

    def __init__(self, call: Sequence[str | Path], spec: bytes = b"", environ: dict[str, str] | None = None) -> None:
        self._call = [str(word) for word in call]
        self._environ = environ or {}
        self._input = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the command is
        self._input.write(spec)
        self._input.flush()
        self.milliseconds: list[float] = []
        self.by_clock = False
        """Whether the clock counts, and not how long the processor worked."""

    def run(self) -> None:
        """Run once, and note how long it took."""
        began = time.perf_counter()
        used = self._measured(self._call)
        taken_s = time.perf_counter() - began if self.by_clock else used.ru_utime + used.ru_stime
        self.milliseconds.append(taken_s * 1000)

    def peak_mib(self) -> float:
        """Run once from a small parent, since Linux counts the forking process's memory, and return the peak in MiB."""
        parent = [os.path.realpath(sys.executable), "-I", "-S", "-c", MEASURE]
        with tempfile.NamedTemporaryFile("r") as report:
            self._measured([*parent, report.name, *self._call])
            return float(report.read()) / 1024

    def _measured(self, call: list[str]) -> os._Result:  # type: ignore[name-defined]
        self._input.seek(0)
        actions = [
            (os.POSIX_SPAWN_DUP2, self._input.fileno(), 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ]
        process = os.posix_spawn(call[0], call, self._environ, file_actions=actions)
        _, status, used = os.wait4(process, 0)
        if status:
            sys.exit(f"{' '.join(call)} failed")
        return used

    @property
    def median(self) -> float:
        """The median of all counted runs, in milliseconds."""
        return statistics.median(self.milliseconds)


MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def ratio(command: Command, against: Command) -> float:
    """Run both alternately, so that changes of the machine's speed affect both, and return the median ratio."""
    for number in range(WARM_UP + ROUNDS):
        for each in (command, against):
            each.run()
            if number < WARM_UP:
                each.milliseconds.clear()
    return statistics.median(a / b for a, b in zip(command.milliseconds, against.milliseconds, strict=True))


def row(what: str, command: Command, against: Command, bar: float, aim: float) -> str:
    """Compare two commands, and return a row of the table."""
    paired = ratio(command, against)
    return f"| {what} | {command.median:.1f} ms | {against.median:.1f} ms | {paired:.2f} | {bar:.2f} | {aim:.2f} |"


def trusting(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Let the system trust *authority* too, and return the environment variables that takes."""
    if not _owns_its_mounts() or not Path(SYSTEM_STORES[0]).exists():
        return {"SSL_CERT_FILE": str(store_with(authority, folder))}
    system = Path(SYSTEM_STORES[0]).parent
    store = folder / "certs"
    shutil.copytree(system, store, symlinks=True)
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    bundle = store / Path(SYSTEM_STORES[0]).name
    bundle.write_bytes(bundle.read_bytes() + certificate.read_bytes())
    if any(store.glob("*.0")):
        command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate)]
        hashed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        shutil.copy(certificate, store / f"{hashed}.0")
    subprocess.run(["mount", "--bind", str(store), str(system)], check=True)
    return {}


def _owns_its_mounts() -> bool:
    return os.environ.get(_OWN_MOUNTS) == "1"


_OWN_MOUNTS = "BENCH_OWNS_ITS_MOUNTS"


def store_with(authority: trustme.CA, folder: Path) -> Path:
    """Return a file with the system's trusted certificates and *authority*."""
    system = next((Path(name) for name in SYSTEM_STORES if Path(name).exists()), None)
    file = folder / "store.pem"
    file.write_bytes((system.read_bytes() if system else b"") + authority.cert_pem.bytes())
    return file


def table(program: Path, against: Path, folder: Path) -> Iterator[str]:
    """Measure, and yield the rows."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    yield "| what | measured | against | ratio | bar | aim |"
    yield "|---|---|---|---|---|---|"
    probe = {"CF_WORKER_BOOTSTRAP": "0", "CF_WORKER_HEALTHCHECK_RETRIES": "1"}
    with served() as url:
        spec = SPEC.format(url=url).encode()
        spawn = Command([program], spec, probe)
        yield row(f"spawn, one probe over http, against `{against}`", spawn, Command([against], spec, probe), 0.2, 0.15)
        peak = statistics.median(spawn.peak_mib() for _ in range(5))
    with served(context) as url:
        spec = SPEC.format(url=url).encode()
        trusted = trusting(authority, folder)
        what = f"whole spawn over https with the system's store, against `{against}`"
        yield row(what, Command([program], spec, trusted), Command([against], spec, trusted), 0.35, 0.28)
        with Relay(int(url.rpartition(":")[2]), DELAY_S) as relay:
            spec = SPEC.format(url=f"https://127.0.0.1:{relay.port}").encode()
            far, far_against = Command([program], spec, trusted), Command([against], spec, trusted)
            far.by_clock = far_against.by_clock = True
            what = f"the same by the clock, {DELAY_S * 1000:.0f} ms away in each direction, against `{against}`"
            yield row(what, far, far_against, 0.75, 0.50)
    bare = [os.path.realpath(sys.executable), "-I", "-S", "-c", "pass"]
    yield row(
        "`--version`, against `python3 -I -S -c pass`", Command([program, "--version"]), Command(bare), 0.25, 0.15
    )
    data = program.read_bytes()
    yield f"| peak memory of a spawn | {peak:.1f} MiB | | | 26 | 20 |"
    yield f"| the Worker in the file, which `--deploy` alone reads | {len(COMPRESSED) / 1e6:.2f} MB | | | 0.35 | 0.30 |"
    yield f"| file | {len(data) / 1e6:.1f} MB | | | 27 | 22 |"
    yield f"| file, gzip | {len(gzip.compress(data, 9)) / 1e6:.1f} MB | | | 8 | 6.5 |"


def main() -> None:
    """Print the table."""
    program, against = (Path(name).resolve(strict=True) for name in sys.argv[1:])
    if sys.platform == "linux" and os.geteuid() == 0 and not _owns_its_mounts():
        os.environ[_OWN_MOUNTS] = "1"
        mine = ["unshare", "--mount", sys.executable, __file__, str(program), str(against)]
        os.execvp(mine[0], mine)  # noqa: S606
    with tempfile.TemporaryDirectory() as folder:
        for line in table(program, against, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
