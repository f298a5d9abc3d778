"""From nothing to a running agent and back. Only Cloudflare is replaced, by a stand-in that runs uploads on workerd.

Run it with `make demo-deploy`. Everything binds to 127.0.0.1 and is stopped again at the end.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from examples.demo import EXAMPLES, scene
from tests.support.cloudflare import TOKEN, Cloudflare
from tests.support.nats import NatsServer

PROGRAM = "orch-executor-cf-worker"


def main() -> None:
    """Start a bus and the stand-in, deploy, spawn, prompt, stop, delete."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with NatsServer(home / "nats") as bus, Cloudflare(home / "cloudflare") as api:
            print(f"# A bus on {bus.url}, and a stand-in for Cloudflare's API on {api.url}")
            document = (EXAMPLES / "worker.yaml").read_text()
            (home / "worker.yaml").write_text(document)
            print(f"\n$ cat worker.yaml\n{document}", end="")
            play(home, bus, {"CLOUDFLARE_API_BASE_URL": api.url, "CLOUDFLARE_API_TOKEN": TOKEN})


def play(home: Path, bus: NatsServer, cloudflare: Mapping[str, str]) -> None:
    """Run each command of a first day, in one folder."""
    deployment = {**cloudflare, "NATS_WS_URL": bus.ws_url}
    url = yaml.safe_load(run(home, deployment, "--deploy", "worker.yaml"))["url"]
    print("\n# Again: nothing changed, so nothing is uploaded and no agent is disturbed.")
    run(home, deployment, "--deploy", "worker.yaml")
    print("\n# A spawn needs no key of the account, only the line above.")
    worker = {"CF_WORKER_URL": url, "CF_WORKER_TOKEN": (home / "control.token").read_text().strip()}
    handle = yaml.safe_load(run(home, worker, stdin=(EXAMPLES / "echo.yaml").read_text()))
    if handle["status"] != "ready":
        raise SystemExit(f"echo.yaml: {handle['message']}")
    asyncio.run(scene(handle, bus.url))
    run(home, deployment, "--undeploy", "worker.yaml", "--yes")


def run(home: Path, environ: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """Run the program, show what it prints, and return its stdout."""
    redirection = " < examples/echo.yaml" if stdin else ""
    print(f"\n$ {' '.join([PROGRAM, *arguments])}{redirection}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "exec_cf", *arguments],
        input=stdin,
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if not stdin else None,
        text=True,
        check=False,
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"{PROGRAM} ended with {done.returncode}")
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(f"{PROGRAM}: "))


if __name__ == "__main__":
    main()
