"""The pinned wrangler, on its own Node, takes the Worker: `wrangler deploy` and `wrangler dev`."""

import os
import subprocess
import tomllib
from pathlib import Path

import httpx
import pytest

from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.process import Process, free_port
from tests.support.workerd import WORKER

TOOLS = WORKER / "node_modules" / ".bin"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which wrangler makes no network call and finds a suitable Node."""
    return {
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CI": "1",
        "WRANGLER_SEND_METRICS": "false",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    }


def test_wrangler_would_deploy_it(environment: dict[str, str], tmp_path: Path) -> None:
    """The bundle and both Durable Objects pass the checks before an upload."""
    argv = [str(TOOLS / "wrangler"), "deploy", "--dry-run", "--outdir", str(tmp_path / "out")]
    result = subprocess.run(argv, cwd=WORKER, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "env.SESSIONS (AgentSession)" in result.stdout
    assert "env.REGISTRY (Registry)" in result.stdout


def test_the_platform_logs_no_url() -> None:
    """Its line per request would hold the capability of an abort."""
    observability = tomllib.loads((WORKER / "wrangler.toml").read_text())["observability"]
    assert observability["logs"]["invocation_logs"] is False


def test_a_page_in_a_zone_of_the_account_is_fetched_from_outside() -> None:
    """Without the flag a fetch to it goes straight to the origin, whatever its firewall and Access rules say."""
    flags = tomllib.loads((WORKER / "wrangler.toml").read_text())["compatibility_flags"]
    assert "global_fetch_strictly_public" in flags


@pytest.mark.anyio
async def test_wrangler_runs_it_locally(bus: NatsServer, environment: dict[str, str], tmp_path: Path) -> None:
    """Under `wrangler dev` an agent starts, answers and stops."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    argv = [str(TOOLS / "wrangler"), "dev", "--local", "--ip", "127.0.0.1", "--port", str(port)]
    argv += ["--inspector-port", "0", "--persist-to", str(tmp_path / "state")]
    argv += ["--show-interactive-dev-session=false", "--var", f"NATS_WS_URL:{bus.ws_url}"]
    wrangler = Process(argv, tmp_path / "wrangler.log", env=environment, cwd=WORKER)
    try:
        wrangler.wait_until(lambda: healthy(base))
        with httpx.Client(base_url=base, timeout=30, trust_env=False) as http:
            started = http.post("/agent/dev").json()
            async with Caller.connected(bus.url) as caller:
                assert text_of(await caller.prompt(started["subjects"]["prompt"], "hello")) == "hello"
            assert http.post(started["abort"]).json() == {"stopped": ["dev"]}
    finally:
        wrangler.stop()


def healthy(base: str) -> bool:
    """Tell whether the Worker answers its probe."""
    try:
        return httpx.get(f"{base}/health", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False
