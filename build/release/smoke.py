"""Run an installed program as its users do: `--version`, `--help`, and one spawn against a Worker on this machine.

usage: smoke.py VERSION COMMAND...

Needs nothing but Python, so that it runs in the clean place where the program was installed.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROGRAM = "orch-executor-cf-worker"
SPEC = """\
spec_version: v1
name: lead-engineer
agent: echo
owner: dmestas
cf-worker:
  script: {url}
"""


class SmokeError(Exception):
    """The program does not work; the message says how."""


class _Worker(BaseHTTPRequestHandler):
    """A healthy Worker without agents; other suites test starts."""

    def do_GET(self) -> None:
        """Answer the probe of `/health`, the only request."""
        found = self.path == "/health"
        body = json.dumps({"ok": found, "agent": "open-agent"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def healthy_worker() -> Iterator[str]:
    """Serve on loopback within the context, and yield the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Worker) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def call(command: list[str], *arguments: str, stdin: str = "") -> str:
    """Return the stdout of *command*. Raises `SmokeError` if it fails or writes to stderr."""
    settings = {"CF_WORKER_BOOTSTRAP": "0", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, *arguments], input=stdin, env=settings, text=True, capture_output=True, check=False
    )
    if done.returncode or done.stderr:
        raise SmokeError(f"{' '.join(arguments) or 'a spawn'}: exit {done.returncode}, {done.stderr!r}")
    return done.stdout


def smoke(version: str, command: list[str]) -> None:
    """Run *command* in all three ways. Raises `SmokeError`."""
    if (said := call(command, "--version")) != f"{PROGRAM} {version}\n":
        raise SmokeError(f"--version prints {said!r}")
    if PROGRAM not in call(command, "--help"):
        raise SmokeError("--help does not name the program")
    with healthy_worker() as url:
        handle = call(command, stdin=SPEC.format(url=url)).splitlines()
    for line in (
        f"id: {url}",
        "  prompt: agents.prompt.open-agent.dmestas.lead-engineer",
        f"  target: {url}/control/abort",
        "status: ready",
    ):
        if line not in handle:
            raise SmokeError(f"the handle lacks {line!r}: {handle}")


def main(arguments: list[str]) -> int:
    """Print the result in one line, and return the exit code."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        smoke(arguments[0], arguments[1:])
    except (SmokeError, OSError) as error:
        print(f"{' '.join(arguments[1:])}: {error}", file=sys.stderr)
        return 1
    print(f"{' '.join(arguments[1:])}: {arguments[0]} prints its version, its help and a ready handle")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
