"""How an agent shows itself: registration, discovery, status and heartbeats (§2, §3, §4, §8)."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import nats
import pytest
from synadia_ai.agents import Agents

from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd

RESERVED = {
    "agent": "open-agent",
    "owner": "worker",
    "protocol_version": "0.3",
    "executor": "wasm",
    "location": "edge",
    "lifetime": "ephemeral",
    "harness": "echo",
}


async def info_of(caller: Caller, started: dict[str, Any]) -> dict[str, Any]:
    """Return the service info of one instance."""
    return await caller.request_json(f"$SRV.INFO.agents.{started['instance_id']}")


PROMPT_METADATA = {"max_payload": "1MB", "attachments_ok": "false", "min_sender_trust": "any"}


@pytest.mark.anyio
async def test_the_service_is_named_agents(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Name, semantic version and description of the micro service."""
    started = http.post(f"/agent/{session}", json={"description": "answers"}).json()
    async with Caller.connected(bus.url) as caller:
        info = await info_of(caller, started)
    assert (info["name"], info["description"]) == ("agents", "answers")
    assert re.match(r"\d+\.\d+\.\d+", info["version"])
    assert info["version"] == http.get("/health").json()["version"]


@pytest.mark.anyio
async def test_the_metadata_identifies_the_agent(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """The protocol's keys and the executor's, all strings."""
    started = http.post(f"/agent/{session}").json()
    async with Caller.connected(bus.url) as caller:
        info = await info_of(caller, started)
    assert info["metadata"] == {**RESERVED, "session": session, "pane_id": f"cf:worker.{session}"}


@pytest.mark.anyio
async def test_labels_are_visible_and_override_nothing(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Labels are added to the reserved keys and never replace them."""
    labels = {"team": "blue", "__proto__": "x", **dict.fromkeys([*RESERVED, "session"], "forged")}
    started = http.post(f"/agent/{session}", json={"labels": labels}).json()
    async with Caller.connected(bus.url) as caller:
        info = await info_of(caller, started)
    own = {"session": session, "pane_id": f"cf:worker.{session}"}
    assert info["metadata"] == {**RESERVED, **own, "team": "blue", "__proto__": "x"}


@pytest.mark.anyio
@pytest.mark.parametrize(("label", "shown"), [("%edge-1", "%edge-1"), ("", "cf:ada.{}")])
async def test_a_label_may_choose_the_pane(
    bus: NatsServer, http: httpx.Client, session: str, label: str, shown: str
) -> None:
    """orch's bus tools find agents that have a `pane_id`, so it is never empty, in the metadata and in beats."""
    body = {"owner": "ada", "labels": {"pane_id": label}}
    started = http.post(f"/agent/{session}", json=body).json()
    async with Caller.connected(bus.url) as caller:
        info = await info_of(caller, started)
        status = await caller.request_json(started["subjects"]["status"])
    assert info["metadata"]["pane_id"] == status["pane_id"] == shown.format(session)


@pytest.mark.anyio
async def test_the_env_of_a_start_is_never_shown(bus: NatsServer, worker: Workerd, session: str) -> None:
    """The env of a start appears nowhere on the bus or in the log."""
    secret = "tell-n0body"
    with worker.client() as http:
        started = http.post(f"/agent/{session}", json={"env": {"OPEN_AGENT_MODEL_ID": secret}})
        looked = http.get(f"/agent/{session}")
    async with Caller.connected(bus.url) as caller:
        info = await info_of(caller, started.json())
        status = await caller.request_json(started.json()["subjects"]["status"])
    assert secret not in started.text + looked.text + str(info) + str(status) + worker.log


@pytest.mark.anyio
async def test_the_endpoints_are_prompt_and_status(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Both in the queue group `agents`, the prompt with its two capabilities as strings."""
    started = http.post(f"/agent/{session}").json()
    async with Caller.connected(bus.url) as caller:
        info = await info_of(caller, started)
    endpoints = {endpoint["name"]: endpoint for endpoint in info["endpoints"]}
    assert sorted(endpoints) == ["prompt", "status"]
    for name, endpoint in endpoints.items():
        assert endpoint["subject"] == started["subjects"][name]
        assert endpoint["queue_group"] == "agents"
    assert endpoints["prompt"]["metadata"] == PROMPT_METADATA


@pytest.mark.anyio
async def test_ping_and_info_find_the_instance(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """General and direct discovery name the same instance."""
    started = http.post(f"/agent/{session}").json()
    async with Caller.connected(bus.url) as caller:
        ping = await caller.request_json(f"$SRV.PING.agents.{started['instance_id']}")
        infos = await caller.services()
    assert (ping["id"], ping["name"]) == (started["instance_id"], "agents")
    assert started["instance_id"] in [info["id"] for info in infos]


def assert_beat(beat: dict[str, Any], started: dict[str, Any]) -> None:
    """Check all fields that a heartbeat must have."""
    age = datetime.now(UTC) - datetime.fromisoformat(beat.pop("ts"))
    assert timedelta(seconds=-5) < age < timedelta(seconds=30)
    assert beat == {
        "agent": "open-agent",
        "owner": started["owner"],
        "session": started["session"],
        "instance_id": started["instance_id"],
        "interval_s": 30,
        "protocol_version": "0.3",
        "pane_id": f"cf:{started['owner']}.{started['session']}",
        "endpoints": {"prompt": {"subject": started["subjects"]["prompt"], "metadata": PROMPT_METADATA}},
    }


@pytest.mark.anyio
async def test_the_first_heartbeat_comes_with_the_registration(
    bus: NatsServer, http: httpx.Client, session: str
) -> None:
    """Who subscribed before the start learns of the agent at once."""
    async with Caller.connected(bus.url) as caller:
        beats = await caller.nats.subscribe("agents.hb.*.*.*")
        await caller.nats.flush()
        started = http.post(f"/agent/{session}").json()
        beat = await beats.next_msg(5)
    assert beat.subject == started["subjects"]["hb"]
    assert_beat(Caller.json(beat), started)


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"", b"{", b"anything"])
async def test_status_answers_like_a_heartbeat(bus: NatsServer, http: httpx.Client, session: str, body: bytes) -> None:
    """Whatever the request holds, a fresh beat comes back."""
    started = http.post(f"/agent/{session}").json()
    async with Caller.connected(bus.url) as caller:
        assert_beat(await caller.request_json(started["subjects"]["status"], body), started)


@pytest.mark.slow
@pytest.mark.anyio
async def test_heartbeats_come_every_thirty_seconds(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Three beats in a row keep the announced distance."""
    async with Caller.connected(bus.url) as caller:
        beats = await caller.nats.subscribe(f"agents.hb.open-agent.worker.{session}")
        await caller.nats.flush()
        started = http.post(f"/agent/{session}").json()
        times = []
        for _ in range(3):
            beat = Caller.json(await beats.next_msg(40))
            times.append(datetime.fromisoformat(beat["ts"]))
            assert_beat(beat, started)
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert all(29 < gap < 32 for gap in gaps)


@pytest.mark.anyio
async def test_the_protocols_own_client_finds_and_prompts_it(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Discovery, prompt and status through `synadia-ai-agents`."""
    started = http.post(f"/agent/{session}", json={"owner": "ada"}).json()
    connection = await nats.connect(bus.url)
    agents = Agents(nc=connection)
    try:
        [agent] = [agent for agent in await agents.discover() if agent.session_name == session]
        assert (agent.instance_id, agent.owner) == (started["instance_id"], "ada")
        assert agent.prompt_endpoint.max_payload_bytes == 1024 * 1024
        assert (await agent.status()).instance_id == started["instance_id"]
        texts = [getattr(message, "text", "") async for message in agent.prompt("hello")]
        assert "".join(texts) == "hello"
    finally:
        await agents.close()
        await connection.close()
