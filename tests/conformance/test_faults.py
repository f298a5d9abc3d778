"""What breaks, and that the agent comes back, or says why it cannot."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from nats.errors import NoRespondersError

from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import KEY, OpenRouter, openrouter, say, say_after, say_when, variables
from tests.support.proxy import Proxy
from tests.support.workerd import Workerd

# A period of the alarm, the time to notice a dead connection, and room for a busy machine.
REVIVAL_LIMIT_S = 40


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[NatsServer]:
    """Return a bus that a test may break."""
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def own_worker(own_bus: NatsServer, tmp_path: Path) -> Iterator[Workerd]:
    """Return a Worker that a test may break."""
    with Workerd(tmp_path / "worker", {"NATS_WS_URL": own_bus.ws_url}) as server:
        yield server


def start(worker: Workerd, session: str = "a") -> dict[str, Any]:
    """Start an agent and return the answer."""
    with worker.client() as client:
        response = client.post(f"/agent/{session}")
    assert response.status_code == 201
    body: dict[str, Any] = response.json()
    return body


async def revived(caller: Caller, subject: str) -> None:
    """Wait until an agent answers a prompt."""
    deadline = time.monotonic() + REVIVAL_LIMIT_S
    while True:
        stream = await caller.send(subject, b"again")
        try:
            frame = await stream.next(1)
            if frame.headers.get("Status") != "503":
                assert text_of(await stream.rest()) == "again"
                return
        except TimeoutError:
            pass
        assert time.monotonic() < deadline, "the agent did not come back"
        await asyncio.sleep(0.2)


@pytest.mark.anyio
async def test_an_agent_survives_a_restart_of_the_bus(own_bus: NatsServer, own_worker: Workerd) -> None:
    """The agent registers again, and the same start finds it."""
    subject = start(own_worker)["subjects"]["prompt"]
    own_bus.stop()
    own_bus.start()
    async with Caller.connected(own_bus.url) as caller:
        await revived(caller, subject)
    with own_worker.client() as client:
        assert client.post("/agent/a").status_code == 200


@pytest.mark.anyio
async def test_without_a_bus_a_start_fails_and_leaves_nothing(own_bus: NatsServer, own_worker: Workerd) -> None:
    """503 with the cause; no agent appears when the bus does, and a new start is a first one."""
    own_bus.stop()
    with own_worker.client() as client:
        response = client.post("/agent/a")
        assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
        assert "NATS_WS_URL" in response.json()["message"]
        assert client.get("/agent/a").status_code == 404
        assert client.post("/control/abort").json() == {"stopped": []}
        own_bus.start()
        async with Caller.connected(own_bus.url) as caller:
            assert await caller.services() == []
        assert client.post("/agent/a", json={"owner": "other"}).status_code == 201


def test_a_start_of_a_running_agent_fails_while_the_bus_is_down(own_bus: NatsServer, own_worker: Workerd) -> None:
    """Ready would be a lie; the agent stays known and comes back."""
    start(own_worker)
    own_bus.stop()
    with own_worker.client() as client:
        assert client.post("/agent/a").status_code == 503
        body = client.get("/agent/a").json()
        assert body["state"] == "starting"
        assert "NATS_WS_URL" in body["cause"]
        own_bus.start()
        assert client.post("/agent/a").status_code == 200


def test_an_agent_stops_while_the_bus_is_down(own_bus: NatsServer, own_worker: Workerd) -> None:
    """An abort needs no bus, and the agent does not come back with it."""
    start(own_worker)
    own_bus.stop()
    with own_worker.client() as client:
        assert client.post("/control/abort/a").json() == {"stopped": ["a"]}
        own_bus.start()
        assert client.get("/agent/a").json()["state"] == "stopped"


@pytest.mark.anyio
async def test_a_killed_worker_revives_its_idle_agent(own_bus: NatsServer, own_worker: Workerd) -> None:
    """After a crash the alarm revives the agent, without a request."""
    subject = start(own_worker)["subjects"]["prompt"]
    own_worker.kill()
    own_worker.start()
    async with Caller.connected(own_bus.url) as caller:
        await revived(caller, subject)
        assert len(await caller.services()) == 1


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_worker_that_wakes_without_a_bus_keeps_trying(own_bus: NatsServer, own_worker: Workerd) -> None:
    """The alarm that found no bus is not the last one."""
    subject = start(own_worker)["subjects"]["prompt"]
    own_worker.kill()
    own_bus.stop()
    own_worker.start()
    deadline = time.monotonic() + REVIVAL_LIMIT_S
    while own_worker.log.count("bus unavailable") < 3:
        assert time.monotonic() < deadline, "the agent does not try"
        await asyncio.sleep(0.5)
    own_bus.start()
    async with Caller.connected(own_bus.url) as caller:
        await revived(caller, subject)


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_worker_that_is_killed_again_revives_its_agent_again(own_bus: NatsServer, own_worker: Workerd) -> None:
    """The alarm that brought the agent back has left another one for the next crash."""
    subject = start(own_worker)["subjects"]["prompt"]
    for _ in range(2):
        own_worker.kill()
        own_worker.start()
        async with Caller.connected(own_bus.url) as caller:
            await revived(caller, subject)


@pytest.mark.anyio
async def test_a_status_request_revives_the_agent_of_a_killed_worker(own_bus: NatsServer, own_worker: Workerd) -> None:
    """A request revives the agent before the alarm does."""
    started = start(own_worker)
    own_worker.kill()
    own_worker.start()
    with own_worker.client() as client:
        assert client.get("/agent/a").json()["state"] == "starting"
        again = client.post("/agent/a")
        assert again.status_code == 200
        assert again.json()["instance_id"] != started["instance_id"]
    async with Caller.connected(own_bus.url) as caller:
        assert text_of(await caller.prompt(started["subjects"]["prompt"], "hello")) == "hello"


def test_an_aborted_agent_stays_gone_after_a_crash(own_worker: Workerd) -> None:
    """Nothing on the disk brings back what was stopped."""
    start(own_worker)
    with own_worker.client() as client:
        client.post("/control/abort")
        own_worker.kill()
        own_worker.start()
        assert client.get("/agent/a").json()["state"] == "stopped"
        assert client.post("/control/abort").json() == {"stopped": []}


@pytest.mark.anyio
async def test_a_dead_network_path_is_noticed(own_bus: NatsServer, tmp_path: Path) -> None:
    """A connection that swallows everything is replaced, though neither end closed it."""
    with Proxy(own_bus.ws_port) as proxy:
        variables = {"NATS_WS_URL": f"ws://127.0.0.1:{proxy.port}"}
        with Workerd(tmp_path / "proxied", variables) as worker:
            subject = start(worker)["subjects"]["prompt"]
            proxy.black_hole()
            async with Caller.connected(own_bus.url) as caller:
                await revived(caller, subject)
                with worker.client() as client:
                    assert client.get("/agent/a").json()["state"] == "ready"


@pytest.mark.anyio
async def test_a_dead_network_path_is_noticed_in_a_turn(own_bus: NatsServer, tmp_path: Path) -> None:
    """What the agent says disappears in the dead connection, and is no sign of life."""
    with Proxy(own_bus.ws_port) as proxy, openrouter() as provider:
        settings = {**variables(own_bus, provider), "NATS_WS_URL": f"ws://127.0.0.1:{proxy.port}"}
        with Workerd(tmp_path / "proxied", settings) as worker, worker.client() as client:
            subject = client.post("/agent/a", json={"agent": "pi"}).json()["subjects"]["prompt"]
            provider.will(say_after(*[(0.5, "still ")] * 90, (0.5, "there")))
            async with Caller.connected(own_bus.url) as caller:
                stream = await caller.send(subject, b"go")
                await stream.next()
                assert text_of([await stream.next()]) == "still "
                proxy.black_hole()
                assert text_of([await stream.next(40)]) == "still "
                assert text_of(await stream.rest(40)).endswith("there")


@pytest.fixture
def path(own_bus: NatsServer) -> Iterator[Proxy]:
    """Return the way to the bus, which a test may break."""
    with Proxy(own_bus.ws_port) as proxy:
        yield proxy


@pytest.fixture
def behind(path: Proxy, tmp_path: Path) -> Iterator[Workerd]:
    """Return a Worker on that way."""
    with Workerd(tmp_path / "behind", {"NATS_WS_URL": f"ws://127.0.0.1:{path.port}"}) as worker:
        yield worker


def connections(bus: NatsServer) -> int:
    """Return how many clients the bus counts."""
    count: int = httpx.get(f"{bus.monitor_url}/varz", trust_env=False).json()["connections"]
    return count


def test_a_bus_that_never_speaks_fails_the_start(own_bus: NatsServer, path: Proxy, behind: Workerd) -> None:
    """503 that says so; the socket is closed, an abort is answered, and a start succeeds once the bus speaks."""
    path.mute()
    with behind.client() as client, behind.client() as other, ThreadPoolExecutor(1) as pool:
        starting = pool.submit(client.post, "/agent/a")
        while path.accepted == 0:
            time.sleep(0.05)
        assert other.post("/control/abort/a").json() == {"stopped": []}
        response = starting.result()
        assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
        assert "did not answer within" in response.json()["message"]
        deadline = time.monotonic() + REVIVAL_LIMIT_S
        while connections(own_bus) > 0:
            assert time.monotonic() < deadline, "the socket was left open"
            time.sleep(0.1)
        path.heal()
        assert client.post("/agent/a").status_code == 201


@pytest.mark.anyio
async def test_an_agent_survives_a_bus_that_never_speaks(own_bus: NatsServer, path: Proxy, behind: Workerd) -> None:
    """It keeps trying for as long as the bus is silent, and is back when the bus is."""
    subject = start(behind)["subjects"]["prompt"]
    path.mute()
    deadline = time.monotonic() + REVIVAL_LIMIT_S
    while behind.log.count("did not answer within") < 2:
        assert time.monotonic() < deadline, "the agent does not try"
        await asyncio.sleep(0.2)
    path.heal()
    async with Caller.connected(own_bus.url) as caller:
        await revived(caller, subject)


def test_an_agent_stops_while_the_bus_is_silent(path: Proxy, behind: Workerd) -> None:
    """An abort waits for no bus, also in the middle of an attempt to reach it."""
    start(behind)
    path.mute()
    with behind.client() as client:
        while client.get("/agent/a").json()["state"] != "starting":
            time.sleep(0.05)
        assert client.post("/control/abort/a").json() == {"stopped": ["a"]}
        assert client.get("/agent/a").json()["state"] == "stopped"


@pytest.mark.anyio
async def test_an_abort_is_answered_when_the_agent_has_left(own_bus: NatsServer, path: Proxy, behind: Workerd) -> None:
    """Also on a slow path: a prompt after the abort finds no responders."""
    subject = start(behind)["subjects"]["prompt"]
    path.delay_s = 0.5
    with behind.client() as client:
        assert client.post("/control/abort/a").json() == {"stopped": ["a"]}
    async with Caller.connected(own_bus.url) as caller:
        with pytest.raises(NoRespondersError):
            await caller.nats.request(subject, b"hello", timeout=2)


def test_an_agent_that_nobody_prompts_stops_itself(own_bus: NatsServer, tmp_path: Path) -> None:
    """After the idle limit the agent has left the bus and says why."""
    variables = {"NATS_WS_URL": own_bus.ws_url, "AGENT_IDLE_LIMIT_S": "1"}
    with Workerd(tmp_path / "idle", variables) as worker, worker.client() as client:
        start(worker)
        deadline = time.monotonic() + REVIVAL_LIMIT_S
        while client.get("/agent/a").json()["state"] != "stopped":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "AGENT_IDLE_LIMIT_S" in client.get("/agent/a").json()["cause"]
        assert client.post("/control/abort").json() == {"stopped": []}


@pytest.mark.anyio
async def test_prompts_put_off_the_idle_limit(own_bus: NatsServer, tmp_path: Path) -> None:
    """The limit counts from the last prompt, not from the start."""
    variables = {"NATS_WS_URL": own_bus.ws_url, "AGENT_IDLE_LIMIT_S": "3"}
    with Workerd(tmp_path / "idle", variables) as worker:
        subject = start(worker)["subjects"]["prompt"]
        async with Caller.connected(own_bus.url) as caller:
            for _ in range(12):
                await asyncio.sleep(0.5)
                assert text_of(await caller.prompt(subject, "still here")) == "still here"


@pytest.mark.anyio
async def test_a_turn_is_not_idle(own_bus: NatsServer, tmp_path: Path) -> None:
    """However long it takes; after it the limit counts again."""
    with openrouter() as provider:
        variables = {
            "NATS_WS_URL": own_bus.ws_url,
            "AGENT_IDLE_LIMIT_S": "1",
            "OPENROUTER_BASE_URL": provider.base_url,
            "OPENROUTER_API_KEY": KEY,
        }
        released = threading.Event()
        provider.will(say_when(released, "first", "last"))
        with Workerd(tmp_path / "idle", variables) as worker, worker.client() as client:
            started = client.post("/agent/a", json={"agent": "pi"}).json()
            async with Caller.connected(own_bus.url) as caller:
                stream = await caller.send(started["subjects"]["prompt"], b"go")
                await asyncio.sleep(4)
                released.set()
                assert text_of(await stream.rest()) == "firstlast"
                deadline = time.monotonic() + REVIVAL_LIMIT_S
                while client.get("/agent/a").json()["state"] != "stopped":
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.2)


@pytest.mark.anyio
async def test_the_idle_limit_counts_from_the_end_of_a_turn(own_bus: NatsServer, tmp_path: Path) -> None:
    """Whenever a long turn ends between two looks at the clock, the agent then has its whole limit."""
    limit_s, agents = 2, 40
    with openrouter() as provider:
        variables = {
            "NATS_WS_URL": own_bus.ws_url,
            "AGENT_IDLE_LIMIT_S": str(limit_s),
            "OPENROUTER_BASE_URL": provider.base_url,
            "OPENROUTER_API_KEY": KEY,
        }
        releases = [threading.Event() for _ in range(agents)]
        provider.will(*(say_when(released, "first", "last") for released in releases))
        with Workerd(tmp_path / "idle", variables) as worker, worker.client() as client:
            async with Caller.connected(own_bus.url) as caller:
                streams = []
                for n in range(agents):
                    subject = client.post(f"/agent/s{n}", json={"agent": "pi"}).json()["subjects"]["prompt"]
                    streams.append(await caller.send(subject, b"go"))
                await asyncio.sleep(limit_s + 1)
                ended: dict[int, float] = {}

                async def read(n: int) -> None:
                    assert text_of(await streams[n].rest()) == "firstlast"
                    ended[n] = time.time()

                readers = [asyncio.create_task(read(n)) for n in range(agents)]
                # In another order than that of the starts, so that every phase of the alarms is met.
                for released in reversed(releases):
                    released.set()
                    await asyncio.sleep(limit_s / agents)
                await asyncio.gather(*readers)
            for n in range(agents):
                assert until_stopped(client, f"s{n}") - ended[n] > limit_s / 2


def until_stopped(client: httpx.Client, session: str) -> float:
    """Wait until an agent has stopped, and return when that was, in seconds since 1970."""
    deadline = time.monotonic() + REVIVAL_LIMIT_S
    while (seen := client.get(f"/agent/{session}").json())["state"] != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return datetime.fromisoformat(seen["stopped_at"]).timestamp()


def test_an_abort_erases_what_the_start_said(own_worker: Workerd) -> None:
    """Labels, env, description and name are gone from the disk; who stopped, when and why stays for a day."""
    texts = {"name": "erased-name", "description": "erased-description"}
    body = {**texts, "labels": {"erased-key": "erased-label"}, "env": {"OPEN_AGENT_MODEL_ID": "erased-model"}}
    with own_worker.client() as client:
        assert client.post("/agent/a", json={**body, "owner": "someone"}).status_code == 201
        assert own_worker.disk().count(b"erased-") > 0
        client.post("/control/abort/a")
        seen = client.get("/agent/a").json()
        assert {k: seen[k] for k in ("state", "session", "owner", "agent", "cause")} == {
            "state": "stopped",
            "session": "a",
            "owner": "someone",
            "agent": "echo",
            "cause": "it was aborted",
        }
        assert b"erased-" not in own_worker.disk()
    assert "erased-" not in own_worker.log


def test_the_disk_keeps_no_more_of_a_conversation_than_turns_are_given(own_bus: NatsServer, tmp_path: Path) -> None:
    """Messages that no later turn will read are deleted."""
    with openrouter() as provider:
        variables = {
            "NATS_WS_URL": own_bus.ws_url,
            "AGENT_HISTORY_LIMIT": "2",
            "OPENROUTER_BASE_URL": provider.base_url,
            "OPENROUTER_API_KEY": KEY,
        }
        with Workerd(tmp_path / "own", variables) as worker:
            with worker.client() as client:
                subject = client.post("/agent/a", json={"agent": "pi"}).json()["subjects"]["prompt"]
            asyncio.run(converse(own_bus, provider, subject))
            assert worker.stored("AgentSession", "SELECT content FROM message ORDER BY id") == [["again"], ["two"]]


async def converse(bus: NatsServer, provider: OpenRouter, subject: str) -> None:
    """Prompt twice."""
    async with Caller.connected(bus.url) as caller:
        for prompt, answer in [("first", "one"), ("again", "two")]:
            provider.will(say(answer))
            assert text_of(await caller.prompt(subject, prompt)) == answer
        # The turn ends before it is written down.
        await asyncio.sleep(1)


def test_the_registry_keeps_only_running_agents(own_bus: NatsServer, own_worker: Workerd) -> None:
    """Neither a failed start nor a stopped agent leaves an entry."""
    listed = 'SELECT key FROM "_cf_KV"'
    with own_worker.client() as client:
        client.post("/agent/a")
        client.post("/agent/b")
        assert own_worker.stored("Registry", listed) == [["a"], ["b"]]
        client.post("/control/abort/a")
        own_bus.stop()
        assert client.post("/agent/c").status_code == 503
        assert own_worker.stored("Registry", listed) == [["b"]]


def test_an_idle_limit_that_is_not_a_number_fails_the_start(own_bus: NatsServer, tmp_path: Path) -> None:
    """A typo in a var is reported by name, and does not mean forever."""
    variables = {"NATS_WS_URL": own_bus.ws_url, "AGENT_IDLE_LIMIT_S": "8h"}
    with Workerd(tmp_path / "idle", variables) as worker, worker.client() as client:
        response = client.post("/agent/a")
    assert response.status_code == 500
    assert "AGENT_IDLE_LIMIT_S" in response.json()["message"]


@pytest.mark.anyio
async def test_a_hundred_sessions(own_bus: NatsServer, own_worker: Workerd) -> None:
    """All are started, prompted together and aborted."""
    async with (
        httpx.AsyncClient(base_url=own_worker.url, timeout=60, trust_env=False) as client,
        Caller.connected(own_bus.url) as caller,
    ):
        answers = await asyncio.gather(*(client.post(f"/agent/s{n}") for n in range(100)))
        assert {answer.status_code for answer in answers} == {201}
        subjects = [answer.json()["subjects"]["prompt"] for answer in answers]
        streams = await asyncio.gather(*(caller.prompt(s, f"to {s}") for s in subjects))
        assert [text_of(stream) for stream in streams] == [f"to {s}" for s in subjects]
        stopped = (await client.post("/control/abort")).json()["stopped"]
        assert sorted(stopped) == sorted(f"s{n}" for n in range(100))
        assert await caller.services() == []
        with pytest.raises(NoRespondersError):
            await caller.nats.request(subjects[0], b"hello", timeout=2)
