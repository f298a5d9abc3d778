"""What an operator does to a running bus: retires it, reloads its users and limits, lets credentials expire."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.test_faults import revived
from tests.support import openrouter as fake
from tests.support.caller import Caller, Stream, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, openrouter, variables
from tests.support.operator import Operator
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

LIMIT_S = 40
RECONNECTING: dict[str, Any] = {"max_reconnect_attempts": -1, "reconnect_time_wait": 0.1}


@pytest.fixture
def provider() -> Iterator[OpenRouter]:
    """Return a running OpenRouter."""
    with openrouter() as server:
        yield server


def worker_of(bus: NatsServer, provider: OpenRouter, home: Path, user: str = "") -> Workerd:
    """Return a Worker that connects as `user`, with its password."""
    url = bus.ws_url.replace("://", f"://{user}")
    return Workerd(home / "worker", {**variables(bus, provider), "NATS_WS_URL": url})


def users(**permissions: Any) -> dict[str, Any]:
    """Return settings in which the Worker's user has these permissions, and that of callers may do everything."""
    agent = {"user": "agent", "password": "a", "permissions": permissions}
    return {"authorization": {"users": [agent, {"user": "caller", "password": "c"}]}}


def as_caller(bus: NatsServer) -> str:
    """Return where a caller connects."""
    return bus.url.replace("://", "://caller:c@")


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        await asyncio.sleep(0.1)


def start(http: httpx.Client, session: str, agent: str = "echo", owner: str = "worker") -> str:
    """Start an agent and return where it is prompted."""
    response = http.post(f"/agent/{session}", json={"agent": agent, "owner": owner})
    assert response.status_code == 201, response.text
    subject: str = response.json()["subjects"]["prompt"]
    return subject


def cause(http: httpx.Client, session: str) -> str:
    """Return why an agent is not on the bus; empty if it is."""
    view = http.get(f"/agent/{session}").json()
    assert (view["state"] == "starting") == ("cause" in view)
    found: str = view.get("cause", "")
    return found


def refused(http: httpx.Client, session: str, owner: str = "worker") -> str:
    """Start an agent that the bus refuses; return the message."""
    response = http.post(f"/agent/{session}", json={"owner": owner})
    assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
    message: str = response.json()["message"]
    return message


async def begun(caller: Caller, subject: str) -> Stream:
    """Send a prompt, and return its stream after the ack and the first words."""
    stream = await caller.send(subject, b"go")
    assert (await stream.next()).json["data"] == "ack"
    assert text_of([await stream.next()]) == "first "
    return stream


async def test_a_lame_duck_costs_no_word(provider: OpenRouter, tmp_path: Path) -> None:
    """The server lets its clients go one after the other; the agents are on the next one, and the turn goes on."""
    settings = {"lame_duck_duration": "30s", "lame_duck_grace_period": "1s"}
    released = threading.Event()
    with NatsServer(tmp_path / "nats", settings) as bus, worker_of(bus, provider, tmp_path) as worker:
        async with Caller.connected(bus.url, **RECONNECTING) as caller:
            with worker.client() as http:
                idle, busy = start(http, "idle"), start(http, "busy", "pi")
                provider.will(fake.say_when(released, "first ", "last"))
                stream = await begun(caller, busy)
                await asyncio.to_thread(bus.retire)
                released.set()
                bus.start()
                assert text_of(await stream.rest(LIMIT_S)) == "last"
                await revived(caller, idle)


async def test_a_user_that_is_removed(provider: OpenRouter, tmp_path: Path) -> None:
    """The cause is shown and logged without a secret, starts fail, and the open stream ends once the user is back."""
    released = threading.Event()
    with NatsServer(tmp_path / "nats", users()) as bus, worker_of(bus, provider, tmp_path, "agent:a@") as worker:
        async with Caller.connected(as_caller(bus)) as caller:
            with worker.client() as http:
                subject = start(http, "pi", "pi")
                provider.will(fake.say_when(released, "first ", "last"))
                stream = await begun(caller, subject)
                bus.reload({"authorization": {"users": [{"user": "caller", "password": "c"}]}})
                released.set()
                await until(lambda: "credentials" in cause(http, "pi"))
                assert "credentials" in refused(http, "new")
                assert http.post("/agent/pi", json={"agent": "pi"}).status_code == 503
                assert "refused the Worker's credentials" in worker.log
                bus.reload(users())
                assert text_of(await stream.rest(LIMIT_S)) == "last"
                assert http.post("/agent/new").status_code == 201


@pytest.mark.slow
async def test_a_user_that_stays_away_is_not_tried_all_the_time(provider: OpenRouter, tmp_path: Path) -> None:
    """A thousand agents would fill the log of the bus: each tries a few times in a minute."""
    with NatsServer(tmp_path / "nats", users()) as bus, worker_of(bus, provider, tmp_path, "agent:a@") as worker:
        with worker.client() as http:
            start(http, "a")
            bus.reload({"authorization": {"users": [{"user": "caller", "password": "c"}]}})
            await until(lambda: "credentials" in cause(http, "a"))
        before = attempts(bus)
        await asyncio.sleep(60)
        assert 1 <= attempts(bus) - before <= 22


async def test_credentials_that_expire(tmp_path: Path) -> None:
    """The cause is shown and logged; a deployment with new credentials brings the agent back."""
    operator = Operator()
    with NatsServer(tmp_path / "nats", operator.server_settings()) as bus:
        expiring = {"NATS_WS_URL": bus.ws_url, "NATS_CREDS": operator.credentials(expires_s=4)}
        with Workerd(tmp_path / "worker", expiring) as worker:
            with worker.client() as http:
                subject = start(http, "a")
                await until(lambda: "credentials" in cause(http, "a"))
                assert "credentials" in refused(http, "new")
                assert "credentials refused" in worker.log
            worker.stop()
            worker.variables["NATS_CREDS"] = operator.credentials()
            worker.start()
            (tmp_path / "caller.creds").write_text(operator.credentials())
            async with Caller.connected(bus.url, user_credentials=str(tmp_path / "caller.creds")) as caller:
                await revived(caller, subject)


def attempts(bus: NatsServer) -> int:
    """Return how often a client has connected, with or without success."""
    count: int = httpx.get(f"{bus.monitor_url}/varz", trust_env=False).json()["total_connections"]
    return count


def connections(bus: NatsServer) -> set[int]:
    """Return the ids of the Worker's connections."""
    found = httpx.get(f"{bus.monitor_url}/connz?auth=true", trust_env=False).json()["connections"]
    return {one["cid"] for one in found if one.get("authorized_user") == "agent"}


async def test_permissions_that_are_taken_away(provider: OpenRouter, tmp_path: Path) -> None:
    """From the agents of one owner: those are not on the bus until they may be again, and the others never notice."""
    denied = {"subscribe": {"deny": ["agents.prompt.open-agent.bob.>"]}}
    with NatsServer(tmp_path / "nats", users()) as bus, worker_of(bus, provider, tmp_path, "agent:a@") as worker:
        async with Caller.connected(as_caller(bus)) as caller:
            with worker.client() as http:
                ann = start(http, "ann", owner="ann")
                before = connections(bus)
                bob = start(http, "bob", owner="bob")
                bus.reload(users(**denied))
                await until(lambda: "may subscribe" in cause(http, "bob"))
                assert "may subscribe" in refused(http, "bob", owner="bob")
                assert "may subscribe" in refused(http, "bobby", owner="bob")
                assert text_of(await caller.prompt(ann, "hello")) == "hello"
                assert cause(http, "ann") == ""
                assert before <= connections(bus)
                bus.reload(users())
                await revived(caller, bob)
                assert before <= connections(bus)


async def test_permissions_that_are_taken_from_all(provider: OpenRouter, tmp_path: Path) -> None:
    """All agents say so, and are back as they were once they may be."""
    denied = {"subscribe": {"deny": ["agents.prompt.>"]}}
    with NatsServer(tmp_path / "nats", users()) as bus, worker_of(bus, provider, tmp_path, "agent:a@") as worker:
        async with Caller.connected(as_caller(bus)) as caller:
            with worker.client() as http:
                subjects = [start(http, session) for session in ("a", "b")]
                before = len(connections(bus))
                bus.reload(users(**denied))
                for session in ("a", "b"):
                    await until(lambda session=session: "may subscribe" in cause(http, session))  # type: ignore[misc]
                assert "may subscribe" in refused(http, "a")
                bus.reload(users())
                for subject in subjects:
                    await revived(caller, subject)
                assert len(connections(bus)) == before


@pytest.mark.slow
async def test_a_heartbeat_that_is_no_longer_permitted(provider: OpenRouter, tmp_path: Path) -> None:
    """An agent without heartbeats is not ready: a first start of it would fail, too."""
    with NatsServer(tmp_path / "nats", users()) as bus, worker_of(bus, provider, tmp_path, "agent:a@") as worker:
        async with Caller.connected(as_caller(bus)) as caller:
            with worker.client() as http:
                subject = start(http, "a")
                bus.reload(users(publish={"deny": ["agents.hb.>"]}))
                await until(lambda: "publish" in cause(http, "a"))
                assert "publish" in refused(http, "a")
                bus.reload(users())
                await revived(caller, subject)


async def test_a_limit_that_is_lowered(provider: OpenRouter, tmp_path: Path) -> None:
    """The bus ends the connection at a chunk that it accepted before: that stream says so, and another one goes on."""
    released = threading.Event()
    with NatsServer(tmp_path / "nats") as bus, worker_of(bus, provider, tmp_path) as worker:
        async with Caller.connected(bus.url) as caller:
            with worker.client() as http:
                large, small = start(http, "large", "pi"), start(http, "small", "pi")
                streams = []
                for subject, last in ((large, "x" * 400_000), (small, "last")):
                    provider.will(fake.say_when(released, "first ", last))
                    streams.append(await begun(caller, subject))
                bus.reload({"max_payload": 65_536})
                released.set()
                *_, error, end = await streams[0].rest(LIMIT_S)
                assert (error.error_code, end.is_terminator) == ("500", True)
                assert "larger than the bus accepts" in error.json["message"]
                assert await streams[0].silent()
                assert text_of(await streams[1].rest(LIMIT_S)) == "last"


async def test_a_limit_that_is_lowered_below_a_whole_answer(provider: OpenRouter, tmp_path: Path) -> None:
    """A chunk and the end behind it are lost together; the stream ends nevertheless."""
    with NatsServer(tmp_path / "nats") as bus, worker_of(bus, provider, tmp_path) as worker:
        async with Caller.connected(bus.url) as caller:
            with worker.client() as http:
                subject = start(http, "echo")
                bus.reload({"max_payload": 65_536})
                # Quotes are written as two characters each.
                frames = await (await caller.send(subject, b'"' * 60_000)).rest(LIMIT_S)
                assert frames[-2].error_code == "500"
                assert text_of(await caller.prompt(subject, "hello")) == "hello"
