"""The terminal sessions of the README run as printed."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cloudflare import TOKEN, Cloudflare
from tests.support.nats import NatsServer
from tests.support.program import Program
from tests.support.workerd import Workerd

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PRINTED_URL = "http://127.0.0.1:8787"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Workerd]:
    with NatsServer(tmp_path / "nats") as bus, Workerd(tmp_path / "worker", {"NATS_WS_URL": bus.ws_url}) as server:
        yield server


def test_the_life_of_a_worker(program: Program, worker: Workerd, tmp_path: Path) -> None:
    [session] = re.findall(r"<!-- begin life.*?```console\n(.*?)```", README, re.DOTALL)
    assert typed(session, program, tmp_path, worker.url) == session


def test_the_way_from_nothing(program: Program, tmp_path: Path) -> None:
    """The document as printed, deployed; the line that stderr tells, and a spawn in the same shell."""
    [document] = re.findall(r"<!-- begin worker.*?```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "worker.yaml").write_text(document)
    with NatsServer(tmp_path / "nats") as bus, Cloudflare(tmp_path / "cloudflare") as api:
        env = {
            "CLOUDFLARE_API_BASE_URL": api.url,
            "CLOUDFLARE_API_TOKEN": TOKEN,
            "NATS_WS_URL": bus.ws_url,
            "OPENROUTER_API_KEY": "not-used-by-echo",
        }
        deployed = program.run(b"", "--deploy", "worker.yaml", env=env)
        assert deployed.code == 0, deployed
        [export] = re.findall(r"to use it: (export CF_WORKER_URL=.*)", deployed.err)
        printed = export.replace(yaml.safe_load(deployed.out)["url"], "https://orch-cf-agent.ACCOUNT.workers.dev")
        assert printed in README
        command = f"{export}; {shlex.join(program.command)} < {ROOT}/examples/echo.yaml"
        spawned = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=program.environ, capture_output=True, text=True, check=True
        )
        handle = yaml.safe_load(spawned.stdout)
        assert handle["status"] == "ready", handle
        assert handle["bus"]["prompt"] in README


def test_a_refusal(program: Program, tmp_path: Path) -> None:
    [session] = re.findall(r"```console\n(\$ printf.*?)```", README, re.DOTALL)
    assert typed(session, program, tmp_path, PRINTED_URL) == session


def test_the_worked_example(program: Program) -> None:
    [spec, handle] = re.findall(r"\$ [^\n]+lead-engineer.yaml\n(.*?)(?=\$ |```)", README, re.DOTALL)
    assert spec == (ROOT / "examples" / "lead-engineer.yaml").read_text()
    ended = program.run(spec.encode(), env={"CF_WORKER_HEALTHCHECK": "0"})
    unchanged = [line for line in handle.splitlines() if not line.startswith(("created_at", "status"))]
    printed = [
        line for line in ended.out.decode().splitlines() if not line.startswith(("created_at", "status", "mess"))
    ]
    assert printed == unchanged


def typed(session: str, program: Program, home: Path, url: str) -> str:
    """Return *session* with the output that its commands have here, the Worker's URL as printed."""
    folder = home / "bin"
    folder.mkdir()
    command = folder / "orch-executor-cf-worker"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(program.command)} "$@"\n')
    command.chmod(0o755)
    (home / "examples").symlink_to(ROOT / "examples")
    commands = [line.removeprefix("$ ") for line in session.splitlines() if line.startswith("$ ")]
    script = "".join(f"printf '%s\\n' {shlex.quote(f'$ {line}')}\n{line}\n" for line in commands)
    done = subprocess.run(
        ["bash", "-c", script.replace(PRINTED_URL, url)],
        cwd=home,
        env={**program.environ, "PATH": f"{folder}:{program.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.replace(url, PRINTED_URL)
