"""From nothing but the file to a running agent and back: the Worker that the file carries, deployed by it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.binary.places import Root
from tests.support.caller import Caller, text_of
from tests.support.cloudflare import ACCOUNT, TOKEN, Cloudflare
from tests.support.nats import NatsServer
from tests.support.specs import spec

DOCUMENT = """\
secrets:
  NATS_WS_URL: {env: BUS}
  CONTROL_TOKEN: {file: control.token, create: true}
"""
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def run(root: Root, environ: Mapping[str, str], arguments: str = "", stdin: bytes = b"") -> bytes:
    """Run the program in the root, which has to succeed, and return what it prints."""
    call = root.call(environ=[f"{name}={value}" for name, value in environ.items()])
    call[-1] += f" {arguments}"
    done = subprocess.run(call, input=stdin, env=PATH, capture_output=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.anyio
@pytest.mark.usefixtures("is_root")
async def test_in_a_root_that_holds_nothing_else(program: Path, tmp_path: Path) -> None:
    root = Root(tmp_path / "root", program)
    root.write("worker.yaml", DOCUMENT)
    with NatsServer(tmp_path / "nats") as bus, Cloudflare(tmp_path / "cloudflare") as api:
        environ = {
            "CLOUDFLARE_API_BASE_URL": api.url,
            "CLOUDFLARE_API_TOKEN": TOKEN,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
            "BUS": bus.ws_url,
        }
        printed = yaml.safe_load(run(root, environ, "--deploy /worker.yaml"))
        assert printed["status"] == "ready", printed
        token = (root.folder / "control.token").read_text().strip()
        handle = yaml.safe_load(run(root, {"CF_WORKER_TOKEN": token}, stdin=spec(printed["url"])))
        assert handle["status"] == "ready", handle
        async with Caller.connected(bus.url) as caller:
            assert text_of(await caller.prompt(handle["bus"]["prompt"], "hello")) == "hello"
            run(root, environ, "--undeploy /worker.yaml --yes")
            assert await caller.services() == []
        assert api.account.scripts == {}


def test_the_file_carries_the_worker(program: Path) -> None:
    """As `check-complete` looks for it."""
    digest = (Path(__file__).parents[2] / "exec_cf" / "_bundle.py").read_text().partition("SHA256 = '")[2][:64]
    assert digest.encode() in program.read_bytes()
