"""The file under test, a Worker's health route to call, and a process to run it in."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.serving import serving

BUILD = Path(__file__).resolve().parents[2] / "build"
sys.path[:0] = [str(BUILD / "release"), str(BUILD / "binary/snapshot")]

SPEC = """\
spec_version: v1
name: lead-engineer
agent: echo
cf-worker:
  script: {url}
"""


ONE_PROBE = {
    "CF_WORKER_BOOTSTRAP": "0",
    "CF_WORKER_HEALTHCHECK_RETRIES": "1",
    "CF_WORKER_HEALTHCHECK_TIMEOUT_MS": "50000",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:  # noqa: ARG001  pytest's signature
    """Leave this folder out where the program under test is no file."""
    return None if Path(config.getoption("--program")).is_file() else True


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Path:
    """Return the absolute path of the file under test."""
    return Path(pytestconfig.getoption("--program")).resolve(strict=True)


@pytest.fixture(scope="session")
def is_root() -> None:
    """Skip where name spaces and mounts are out of reach."""
    if sys.platform != "linux":
        pytest.skip("needs the name spaces of Linux")
    if os.geteuid() != 0:
        pytest.skip("needs root")


class Health(http.server.BaseHTTPRequestHandler):
    """Answers as a healthy Worker does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that all is well."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Keep the tests' output short."""


@pytest.fixture(scope="session")
def health() -> Iterator[str]:
    """Return the base URL of a healthy Worker."""
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def run(
    command: Sequence[str | Path],
    url: str,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run *command* on a spec for the Worker at *url*, with only *environ* set."""
    return subprocess.run(
        command,
        input=SPEC.format(url=url),
        env={**ONE_PROBE, **(environ or {})},
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def is_ready(done: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether a run ended with a ready handle and nothing to say, and show it where it did not."""
    good = done.returncode == 0 and "\nstatus: ready\n" in done.stdout and done.stderr == ""
    if not good:
        print(done)  # noqa: T201  pytest shows it
    return good
