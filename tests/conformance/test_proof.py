"""`ready` is proved: what would keep an agent from being prompted, or from answering, fails its start."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.proxy import Proxy
from tests.support.workerd import Workerd


def refusal(tmp_path: Path, settings: dict[str, Any], user: str = "") -> str:
    """Start an agent on a bus with these settings; return why that failed."""
    with NatsServer(tmp_path / "nats", settings) as bus:
        url = bus.ws_url.replace("://", f"://{user}")
        with Workerd(tmp_path / "worker", {"NATS_WS_URL": url}) as worker, worker.client() as client:
            response = client.post("/agent/a")
            assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
            assert client.get("/agent/a").status_code == 404
    message: str = response.json()["message"]
    return message


@pytest.mark.parametrize("limit", [1, 3, 6, 9, 11])
def test_too_few_subscriptions_fail_the_start(tmp_path: Path, limit: int) -> None:
    """The server's error names no subject, and everything else looks well."""
    assert "max_subscriptions" in refusal(tmp_path, {"max_subscriptions": limit})


@pytest.mark.parametrize("denied", [">", "agents.hb.>"])
def test_a_user_that_may_not_publish_fails_the_start(tmp_path: Path, denied: str) -> None:
    """The first heartbeat is part of the registration."""
    user = {"user": "agent", "password": "a", "permissions": {"publish": {"deny": [denied]}}}
    assert "may subscribe and publish" in refusal(tmp_path, {"authorization": {"users": [user]}}, "agent:a@")


def test_a_bus_without_headers_fails_the_start(tmp_path: Path) -> None:
    """Errors travel in headers: each of them would cost the connection."""
    assert "no_header_support" in refusal(tmp_path, {"no_header_support": True})


@pytest.mark.anyio
async def test_a_name_that_is_taken_is_a_conflict(bus: NatsServer, tmp_path: Path) -> None:
    """Two agents of one name would share its prompts: the second start fails, the first agent answers all."""
    variables = {"NATS_WS_URL": bus.ws_url}
    with Workerd(tmp_path / "one", variables) as one, Workerd(tmp_path / "two", variables) as two:
        with one.client() as first, two.client() as second:
            subject = first.post("/agent/taken").json()["subjects"]["prompt"]
            response = second.post("/agent/taken")
            assert (response.status_code, response.json()["error"]) == (409, "conflict")
            assert second.get("/agent/taken").status_code == 404
            async with Caller.connected(bus.url) as caller:
                for number in range(10):
                    assert text_of(await caller.prompt(subject, f"{number}")) == f"{number}"
            first.post("/control/abort/taken")
            assert second.post("/agent/taken").status_code == 201
        # What was there before is not new: it comes back beside whoever took its name meanwhile.
        two.kill()
        with one.client() as first:
            assert first.post("/agent/taken").status_code == 201
        two.start()
        two.trigger_cron()
        with two.client() as second:
            deadline = time.monotonic() + 20
            while second.get("/agent/taken").json()["state"] != "ready":
                assert time.monotonic() < deadline
                time.sleep(0.1)


@pytest.fixture
def slow(bus: NatsServer) -> Iterator[Proxy]:
    """Return a way to the bus that passes 300 kB in a second."""
    with Proxy(bus.ws_port) as proxy:
        yield proxy


@pytest.mark.anyio
async def test_a_slow_link_is_not_a_dead_one(bus: NatsServer, slow: Proxy, tmp_path: Path) -> None:
    """Four large prompts take twelve seconds to arrive; a second start meanwhile does not throw the link away."""
    with Workerd(tmp_path / "worker", {"NATS_WS_URL": f"ws://127.0.0.1:{slow.port}"}) as worker:
        with worker.client() as client:
            subject = client.post("/agent/slow").json()["subjects"]["prompt"]
        slow.rate = 300_000
        prompts = [chr(ord("a") + number) * 900_000 for number in range(4)]
        async with Caller.connected(bus.url) as caller, httpx.AsyncClient(base_url=worker.url, timeout=60) as client:
            streams = [await caller.send(subject, prompt.encode()) for prompt in prompts]
            assert (await client.post("/agent/slow")).status_code == 200
            for stream, prompt in zip(streams, prompts, strict=True):
                assert text_of(await stream.rest(60)) == prompt
    assert slow.accepted == 1
