"""The pinned wrangler deploys into the stand-in, which shows that the stand-in is not made to fit one client."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.caller import Caller, text_of
from tests.support.cloudflare import Cloudflare
from tests.support.cloudflare.contract import WRANGLER
from tests.support.nats import NatsServer
from tests.support.program import Program, handle
from tests.support.specs import spec
from tests.support.wrangler import Wrangler

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Cloudflare]:
    """Return the stand-in, which takes what wrangler sends."""
    with Cloudflare(tmp_path / "cloudflare", allowed=WRANGLER, source="wrangler") as server:
        yield server


@pytest.fixture
def wrangler(api: Cloudflare, tmp_path: Path) -> Wrangler:
    """Return wrangler as a client of the stand-in."""
    return Wrangler(tmp_path, api.url)


@pytest.mark.anyio
async def test_wrangler_brings_a_worker_where_agents_live(
    api: Cloudflare, bus: NatsServer, wrangler: Wrangler, program: Program
) -> None:
    """Deployed, given secrets, deployed again: a spawn is ready, its agent answers; deleted, it is gone."""
    wrangler.succeed("deploy")
    wrangler.succeed("secret", "put", "CONTROL_TOKEN", stdin=TOKEN)
    wrangler.succeed("secret", "put", "NATS_WS_URL", stdin=bus.ws_url)
    wrangler.succeed("deploy")
    script = api.account.script("orch-cf-agent")
    url = api.address(api.account, script)
    assert httpx.get(f"{url}/health", trust_env=False).json()["auth"] == "token"
    spawned = handle(program.run(spec(url), env={"CF_WORKER_TOKEN": TOKEN}))
    assert spawned["status"] == "ready", spawned
    async with Caller.connected(bus.url) as caller:
        assert text_of(await caller.prompt(spawned["bus"]["prompt"], "hello")) == "hello"
    wrangler.succeed("delete")
    assert api.account.scripts == {}
    assert api.breaches == WRANGLER


def test_wrangler_sets_cron_triggers(api: Cloudflare, wrangler: Wrangler) -> None:
    wrangler.succeed("deploy")
    assert api.account.script("orch-cf-agent").schedules == [{"cron": "* * * * *"}]
