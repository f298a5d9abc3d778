"""What runs, and what it has done: the list of agents, and their counters."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from nats.aio.msg import Msg

from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

LIMIT_S = 30
COUNTERS = ("answered", "failed", "input_tokens", "output_tokens")


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        await asyncio.sleep(0.1)


def listed(http: httpx.Client, **query: str) -> dict[str, Any]:
    """Return one page of the list."""
    response = http.get("/agents", params=query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def row(http: httpx.Client, session: str) -> dict[str, Any]:
    """Return what the list says of one agent; empty if it is not listed."""
    found = [agent for agent in listed(http)["agents"] if agent["session"] == session]
    agent: dict[str, Any] = found[0] if found else {}
    return agent


def start(http: httpx.Client, session: str, owner: str, agent: str = "echo") -> str:
    """Start an agent and return where it is prompted."""
    response = http.post(f"/agent/{session}", json={"owner": owner, "agent": agent})
    assert response.status_code == 201, response.text
    subject: str = response.json()["subjects"]["prompt"]
    return subject


class TestList:
    """The route `GET /agents`."""

    async def test_an_agent_is_listed_until_a_day_after_its_stop(self, http: httpx.Client, session: str) -> None:
        """With who it is, since when it runs, and in the end why it stopped."""
        start(http, session, "ann")
        await until(lambda: row(http, session).get("state") == "ready")
        view = http.get(f"/agent/{session}").json()
        assert row(http, session) == {
            "session": session,
            "owner": "ann",
            "agent": "echo",
            "state": "ready",
            "started_at": view["started_at"],
            **dict.fromkeys(COUNTERS, 0),
        }
        http.post(f"/control/abort/{session}")
        view = http.get(f"/agent/{session}").json()
        assert row(http, session) == {
            "session": session,
            "owner": "ann",
            "agent": "echo",
            "state": "stopped",
            "started_at": view["started_at"],
            **dict.fromkeys(COUNTERS, 0),
            "cause": "it was aborted",
            "stopped_at": view["stopped_at"],
        }

    async def test_owner_and_state_choose(self, http: httpx.Client, session: str) -> None:
        """Alone and together, and the totals are those of what was chosen."""
        owners = {f"{session}-a": "owner-1", f"{session}-b": "owner-1", f"{session}-c": "owner-2"}
        for each, owner in owners.items():
            start(http, each, owner)
        http.post(f"/control/abort/{session}-a")
        await until(lambda: listed(http, owner="owner-1", state="ready")["totals"]["agents"] == 1)
        found = listed(http, owner="owner-1")
        assert [agent["session"] for agent in found["agents"]] == [f"{session}-b", f"{session}-a"]
        assert found["totals"] == {"agents": 2, "running": 1, **dict.fromkeys(COUNTERS, 0)}
        assert [agent["session"] for agent in listed(http, owner="owner-1", state="stopped")["agents"]] == [
            f"{session}-a"
        ]
        assert {agent["state"] for agent in listed(http, state="ready")["agents"]} == {"ready"}
        assert listed(http, owner="nobody") == {
            "agents": [],
            "totals": {"agents": 0, "running": 0, **dict.fromkeys(COUNTERS, 0)},
        }

    async def test_pages_stay_whole_while_agents_come_and_go(self, worker: Workerd, session: str) -> None:
        """Who was there throughout is on exactly one page, in order."""
        sessions = [f"{session}-{number}" for number in range(230)]
        async with httpx.AsyncClient(base_url=worker.url, timeout=60, trust_env=False) as client:
            await start_all(client, sessions)
            seen: list[str] = []
            cursor: dict[str, str] = {}
            for turn in range(3):
                page = (await client.get("/agents", params={"owner": "many", **cursor})).json()
                seen += [agent["session"] for agent in page["agents"]]
                cursor = {"cursor": page["cursor"]} if "cursor" in page else {}
                assert len(page["agents"]) == 100 or turn == 2
                # One is restarted, which makes it the newest; one is new; what was stopped stays listed.
                await client.post(f"/control/abort/{sessions[turn]}")
                await start_all(client, [sessions[turn], f"{session}-new-{turn}"])
            assert cursor == {}
        stayed = sessions[3:]
        assert sorted(s for s in seen if s in stayed) == sorted(stayed)
        assert len(seen) == len(set(seen))

    async def test_the_newest_comes_first(self, http: httpx.Client, session: str) -> None:
        """By the time of the start, also for one that was started again."""
        for number in range(3):
            start(http, f"{session}-{number}", session)
        http.post(f"/control/abort/{session}-0")
        start(http, f"{session}-0", session)
        found = listed(http, owner=session)["agents"]
        assert [agent["session"] for agent in found] == [f"{session}-{number}" for number in (0, 2, 1)]
        times = [agent["started_at"] for agent in found]
        assert times == sorted(times, reverse=True)

    @pytest.mark.parametrize(
        "query",
        ["page=2", "owner=", "owner=a.b", "state=idle", "state=ready&state=busy", "cursor=", "cursor=x", "cursor=%ff"],
    )
    async def test_a_wrong_query_is_refused(self, http: httpx.Client, query: str) -> None:
        """A filter that was misspelt must not look like an empty list."""
        response = http.get(f"/agents?{query}")
        assert (response.status_code, response.json()["error"]) == (400, "bad_request")

    async def test_a_failed_start_leaves_nothing(self, bus: NatsServer, http: httpx.Client, session: str) -> None:
        """Neither an agent that never was, nor a gap where an earlier one was stopped."""
        async with Caller.connected(bus.url) as caller:

            async def answer(message: Msg) -> None:
                await message.respond(b"{}")

            async def refused() -> None:
                subscription = await caller.nats.subscribe(f"agents.status.open-agent.ann.{session}", cb=answer)
                await caller.nats.flush()
                response = await asyncio.to_thread(http.post, f"/agent/{session}", json={"owner": "ann"})
                assert response.status_code == 409
                await subscription.unsubscribe()
                await caller.nats.flush()

            await refused()
            assert row(http, session) == {}
            start(http, session, "ann")
            http.post(f"/control/abort/{session}")
            before = row(http, session)
            await refused()
            assert row(http, session) == before


async def start_all(client: httpx.AsyncClient, sessions: list[str]) -> None:
    """Start agents of one owner, sixteen at once."""
    waiting = asyncio.Semaphore(16)

    async def one(session: str) -> None:
        async with waiting:
            response = await client.post(f"/agent/{session}", json={"owner": "many"})
            assert response.status_code == 201, response.text

    await asyncio.gather(*(one(session) for session in sessions))
