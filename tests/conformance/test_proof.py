"""`ready` is proved: what would keep an agent from being prompted, or from answering, fails its start."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.operator import Operator
from tests.support.proxy import Proxy
from tests.support.workerd import Workerd


def refusal(tmp_path: Path, settings: dict[str, Any], user: str = "", **secrets: str) -> str:
    """Start an agent on a bus with these settings; return why that failed."""
    with NatsServer(tmp_path / "nats", settings) as bus:
        url = bus.ws_url.replace("://", f"://{user}")
        with Workerd(tmp_path / "worker", {"NATS_WS_URL": url, **secrets}) as worker, worker.client() as client:
            response = client.post("/agent/a")
            assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
            assert client.get("/agent/a").status_code == 404
    message: str = response.json()["message"]
    return message


@pytest.mark.parametrize("limit", [1, 3, 6, 9, 11, 12])
def test_too_few_subscriptions_fail_the_start(tmp_path: Path, limit: int) -> None:
    """The server's error names no subject, and everything else looks well. An agent has 12, and one for a question."""
    assert "max_subscriptions" in refusal(tmp_path, {"max_subscriptions": limit})


@pytest.mark.parametrize("limit", [1, 12])
def test_too_few_subscriptions_of_an_account_fail_the_start(tmp_path: Path, limit: int) -> None:
    """A limit of the server's configuration, of an account's JWT, or of a user's."""
    users = [{"user": "agent", "password": "a"}]
    accounts = {"accounts": {"A": {"users": users, "limits": {"max_subscriptions": limit}}}}
    assert "max_subscriptions" in refusal(tmp_path / "configured", accounts, "agent:a@")
    operator = Operator()
    settings = operator.server_settings(subs=limit)
    assert "max_subscriptions" in refusal(tmp_path / "account", settings, NATS_CREDS=operator.credentials())
    settings = operator.server_settings()
    assert "max_subscriptions" in refusal(tmp_path / "user", settings, NATS_CREDS=operator.credentials(subs=limit))


@pytest.mark.anyio
async def test_the_limit_of_an_account_is_announced_and_kept(tmp_path: Path) -> None:
    """A message that the account does not allow would cost the connection."""
    operator = Operator()
    with NatsServer(tmp_path / "nats", operator.server_settings(payload=100_000)) as bus:
        variables = {"NATS_WS_URL": bus.ws_url, "NATS_CREDS": operator.credentials()}
        with Workerd(tmp_path / "worker", variables) as worker, worker.client() as client:
            subject = client.post("/agent/narrow").json()["subjects"]["prompt"]
            caller_of = tmp_path / "caller.creds"
            caller_of.write_text(operator.credentials())
            async with Caller.connected(bus.url, user_credentials=str(caller_of)) as caller:
                [service] = await caller.services()
                assert service["endpoints"][0]["metadata"]["max_payload"] == "100000B"
                prompt = '"' * 99_000
                assert text_of(await caller.prompt(subject, prompt)) == prompt


@pytest.mark.parametrize("kind", ["account", "user"])
def test_an_account_without_room_fails_the_start(tmp_path: Path, kind: str) -> None:
    """Its limit of connections; a user whose JWT has run out."""
    operator = Operator()
    if kind == "account":
        settings, credentials = operator.server_settings(conn=0), operator.credentials()
        assert "accepts no more connections" in refusal(tmp_path, settings, NATS_CREDS=credentials)
    else:
        message = refusal(tmp_path, operator.server_settings(), NATS_CREDS=operator.credentials(expires_s=-1))
        assert "credentials" in message


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


@pytest.mark.anyio
async def test_two_first_starts_at_once_are_never_both_ready(bus: NatsServer, tmp_path: Path) -> None:
    """Neither finds the other when it looks; their first heartbeats tell. A start that is repeated then decides."""
    variables = {"NATS_WS_URL": bus.ws_url}
    with Workerd(tmp_path / "one", variables) as one, Workerd(tmp_path / "two", variables) as two:
        async with (
            httpx.AsyncClient(base_url=one.url, timeout=60) as first,
            httpx.AsyncClient(base_url=two.url, timeout=60) as second,
        ):
            for number in range(40):
                path = f"/agent/s{number}"
                starts = await asyncio.gather(first.post(path), second.post(path))
                assert sorted(start.status_code for start in starts) in ([201, 409], [409, 409])
                views = [(await client.get(path)).status_code for client in (first, second)]
                assert views == [200 if start.status_code == 201 else 404 for start in starts]


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
