"""Hubs: many agents on one connection, and each part of it may die alone or be replaced.

What the other modules promise of agents with connections of their own holds here too: `make test-worker` runs them in
both modes.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support import openrouter as fake
from tests.support.caller import Caller, Stream, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, variables
from tests.support.openrouter_request import Assistant
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

LIMIT_S = 30

# A bundle whose objects can be killed one by one, at `/crash/<namespace>/<name>`.
FRAGILE = """\
import bundle, { AgentSession as Session, Hub as Good, Registry as Directory } from "bundle.js";
const fragile = (Base) => class extends Base { async crash() { this.ctx.abort("as it happens"); } };
export const AgentSession = fragile(Session);
export const Hub = fragile(Good);
export const Registry = fragile(Directory);
export default {
  ...bundle,
  async fetch(request, env, ctx) {
    const [, crash, space, name] = new URL(request.url).pathname.split("/");
    if (crash !== "crash") return bundle.fetch(request, env, ctx);
    await env[space].getByName(name).crash().catch(() => undefined);
    return new Response("crashed");
  },
};
"""

# A platform that does not let hubs call sessions.
REFUSING = """\
export { default, Hub, Registry } from "bundle.js";
import { AgentSession as Good } from "bundle.js";
export class AgentSession extends Good {
  async turn() { throw new Error("Subrequest depth limit exceeded. This request recursed too often."); }
}
"""
# One that lets them call, and never begins.
QUEUEING = REFUSING.replace(
    REFUSING[REFUSING.index("{ throw") : REFUSING.index("\n}")], "{ await new Promise(() => {}); }"
)
# And one that does not let sessions call hubs.
UNREACHABLE = """\
export { default, AgentSession, Registry } from "bundle.js";
import { Hub as Good } from "bundle.js";
export class Hub extends Good {
  async join() { throw new Error("Too many subrequests."); }
}
"""

# A start that is cut off after `/place/<session>`, and sessions without an agent that answer late when looked at.
SLOW = """\
import bundle, { AgentSession as Session } from "bundle.js";
export { Hub, Registry } from "bundle.js";
export class AgentSession extends Session {
  async look() {
    const view = await super.look();
    if (view !== null) return view;
    console.log("looked at again");
    await scheduler.wait(5000);
    console.log("looked away");
    return view;
  }
}
export default {
  ...bundle,
  async fetch(request, env, ctx) {
    const [, place, session] = new URL(request.url).pathname.split("/");
    if (place !== "place") return bundle.fetch(request, env, ctx);
    return Response.json(await env.REGISTRY.getByName("registry").place(session, 10));
  },
};
"""


@dataclass
class Field:
    """A bus, a Worker with hubs, and a provider."""

    bus: NatsServer
    worker: Workerd
    provider: OpenRouter

    def start(self, session: str, agent: str = "echo") -> str:
        """Start an agent and return where it is prompted."""
        with self.worker.client() as client:
            response = client.post(f"/agent/{session}", json={"agent": agent})
        assert response.status_code == 201, response.text
        subject: str = response.json()["subjects"]["prompt"]
        return subject

    def view(self, session: str) -> dict[str, str]:
        """Return what the Worker says of an agent."""
        with self.worker.client() as client:
            view: dict[str, str] = client.get(f"/agent/{session}").json()
        return view

    def listed(self) -> set[str]:
        """Return the sessions whose agents the Worker lists as running."""
        with self.worker.client() as client:
            agents = client.get("/agents").json()["agents"]
        return {agent["session"] for agent in agents if agent["state"] != "stopped"}

    def crash(self, space: str, name: str) -> None:
        """Kill one object."""
        httpx.get(f"{self.worker.url}/crash/{space}/{name}", trust_env=False)

    def deploy(self, **changed: str) -> None:
        """Let another version of the vars or of the bundle take the place of this one."""
        self.worker.stop()
        self.worker.variables.update(changed)
        self.worker.start()

    def connections(self) -> list[str]:
        """Return the names of the Worker's connections."""
        found = httpx.get(f"{self.bus.monitor_url}/connz", trust_env=False).json()["connections"]
        return sorted(name for one in found if one.get("kind") == "Client" and (name := one.get("name")))


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    """Return a Worker whose hubs have room for ten agents."""
    with fake.openrouter() as provider, NatsServer(tmp_path / "nats") as bus:
        worker = Workerd(tmp_path / "worker", {**variables(bus, provider), "AGENTS_PER_HUB": "10"})
        worker.patch = FRAGILE
        with worker:
            yield Field(bus, worker, provider)
        provider.settle()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        await asyncio.sleep(0.1)


async def answers(caller: Caller, subject: str, text: str = "again") -> None:
    """Wait until an agent answers a prompt."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if text_of(await caller.prompt(subject, text)) == text:
                return
        except (TimeoutError, KeyError, ValueError):
            pass
        assert time.monotonic() < deadline, "the agent does not answer"
        await asyncio.sleep(0.2)


async def begun(field: Field, caller: Caller, subject: str, released: threading.Event) -> Stream:
    """Return the stream of a turn that has said its first words."""
    field.provider.will(fake.say_when(released, "before ", "after"))
    stream = await caller.send(subject, b"go")
    await stream.next()
    assert text_of([await stream.next()]) == "before "
    return stream


async def test_agents_share_connections(field: Field) -> None:
    """The lowest hub with room takes the next agent; discovery finds all, and a hub without agents goes."""
    subjects = [field.start(f"s{number}") for number in range(21)]
    assert field.connections() == ["hub.0", "hub.1", "hub.2"]
    async with Caller.connected(field.bus.url) as caller:
        found = {service["metadata"]["session"] for service in await caller.services()}
        assert found == {f"s{number}" for number in range(21)}
        streams = await asyncio.gather(*(caller.prompt(subject, subject) for subject in subjects))
        assert [text_of(stream) for stream in streams] == subjects
        with field.worker.client() as client:
            assert len(client.post("/control/abort").json()["stopped"]) == 21
        assert await caller.services() == []
        await until(lambda: not [name for name in field.connections() if name.startswith("hub.")])
    assert field.worker.alarms("Hub") == 0
    assert field.worker.stored("Hub", 'SELECT key FROM "_cf_KV"') == []


@pytest.mark.parametrize("number", ["0", "501", "many", "-1", "2.5"])
def test_a_size_out_of_range_refuses_starts_alone(field: Field, number: str) -> None:
    """The agents that run keep their places."""
    field.start("before")
    field.deploy(AGENTS_PER_HUB=number)
    with field.worker.client() as client:
        response = client.post("/agent/after")
        assert (response.status_code, response.json()["error"]) == (500, "internal")
        assert "AGENTS_PER_HUB" in response.json()["message"]
        deadline = time.monotonic() + LIMIT_S
        while client.get("/agent/before").json()["state"] != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert field.connections() == ["hub.0"]


async def test_a_hub_that_dies_in_a_turn_costs_no_word(field: Field) -> None:
    """Its next life listens again to what its sessions say; what waited gets an error, and idle agents answer."""
    released = threading.Event()
    subject = field.start("talking", "pi")
    idle = field.start("idle")
    async with Caller.connected(field.bus.url) as caller:
        stream = await begun(field, caller, subject, released)
        waiting = await caller.send(subject, b"waiting")
        await asyncio.sleep(0.5)
        field.crash("HUBS", "hub.0")
        await answers(caller, idle)
        released.set()
        assert text_of(await stream.rest()) == "after"
        frames = await waiting.rest()
        assert frames[-2].error_code == "500"


async def test_a_session_that_dies_in_a_turn_ends_its_stream(field: Field) -> None:
    """Its caller gets an error, its neighbours notice nothing, and it answers the next prompt."""
    released = threading.Event()
    subject = field.start("talking", "pi")
    other = field.start("other", "pi")
    async with Caller.connected(field.bus.url) as caller:
        stream = await begun(field, caller, subject, released)
        calm = await begun(field, caller, other, released)
        field.crash("SESSIONS", "talking")
        frames = await stream.rest()
        assert frames[-2].error_code == "500"
        released.set()
        assert text_of(await calm.rest()) == "after"
        field.provider.will(fake.say("alive"))
        assert text_of(await caller.prompt(subject, "again")) == "alive"


async def test_agents_run_on_without_the_registry(field: Field) -> None:
    """It is asked for a place and for the list, never for an answer; its next life knows what it knew."""
    subject = field.start("calm")
    field.crash("REGISTRY", "registry")
    async with Caller.connected(field.bus.url) as caller:
        assert text_of(await caller.prompt(subject, "hello")) == "hello"
    field.start("next")
    with field.worker.client() as client:
        assert sorted(client.post("/control/abort").json()["stopped"]) == ["calm", "next"]


@pytest.mark.parametrize(("before", "after"), [("1", "10"), ("10", "1"), ("10", "2")])
async def test_a_deployment_moves_agents_with_their_conversations(field: Field, before: str, after: str) -> None:
    """Into hubs, out of them, or into smaller ones: without being asked for, and nobody is on the bus twice."""
    field.deploy(AGENTS_PER_HUB=before)
    subjects = [field.start(f"moving-{number}", "pi") for number in range(5)]
    async with Caller.connected(field.bus.url) as caller:
        for subject in subjects:
            field.provider.will(fake.say("noted"))
            assert text_of(await caller.prompt(subject, "remember")) == "noted"
        await asyncio.sleep(0.5)
        field.provider.settle()
        field.deploy(AGENTS_PER_HUB=after)
        own = [f"moving-{number}" for number in range(5)]
        wanted = {"1": own, "10": ["hub.0"], "2": ["hub.0", "hub.1", "hub.2"]}[after]
        await until(lambda: field.connections() == wanted)
        await until(lambda: all(field.view(f"moving-{number}")["state"] == "ready" for number in range(5)))
        assert len(await caller.services()) == 5
        for subject in subjects:
            field.provider.will(fake.say("known"))
            assert text_of(await caller.prompt(subject, "what?")) == "known"
            assert any(isinstance(message, Assistant) for message in field.provider.request().body.messages)


@pytest.mark.parametrize("patch", [REFUSING, QUEUEING], ids=["refuses", "never begins"])
async def test_an_agent_whose_hub_may_not_call_it_gets_a_connection_of_its_own(field: Field, patch: str) -> None:
    """Its caller gets an error in time, the view and the log say why, and the next prompt is answered."""
    subject = field.start("refused")
    field.worker.patch = patch
    field.deploy()
    async with Caller.connected(field.bus.url) as caller:
        await until(lambda: field.view("refused")["state"] == "ready")
        frames = await (await caller.send(subject, b"hello")).rest(60)
        assert frames[-2].error_code == "500"
        await answers(caller, subject)
    assert field.connections() == ["refused"]
    assert "its own connection" in field.view("refused")["note"]
    assert "refusal" in field.worker.log


async def test_a_hub_that_cannot_be_called_costs_no_start(field: Field) -> None:
    """The agent gets a connection of its own at once."""
    field.worker.patch = UNREACHABLE
    field.deploy()
    subject = field.start("alone")
    assert "its own connection" in field.view("alone")["note"]
    async with Caller.connected(field.bus.url) as caller:
        assert text_of(await caller.prompt(subject, "hello")) == "hello"


async def test_a_bus_with_few_subscriptions_makes_no_agent_worse(tmp_path: Path) -> None:
    """Those that have no room in the hub get connections of their own, at the start and after the bus was narrowed."""
    with fake.openrouter() as provider, NatsServer(tmp_path / "nats", {"max_subscriptions": 16}) as bus:
        vars_ = {**variables(bus, provider), "AGENTS_PER_HUB": "10"}
        with Workerd(tmp_path / "worker", vars_) as worker:
            field = Field(bus, worker, provider)
            subjects = [field.start(f"s{number}") for number in range(4)]
            assert len(field.connections()) == 3
            bus.stop()
            bus.settings["max_subscriptions"] = 13
            bus.start()
            async with Caller.connected(bus.url) as caller:
                for subject in subjects:
                    await answers(caller, subject)


async def test_a_question_without_room_for_its_answer_fails_at_once(tmp_path: Path) -> None:
    """Its model learns that there is no answer, and the question of its neighbour is answered."""
    with fake.openrouter() as provider, NatsServer(tmp_path / "nats", {"max_subscriptions": 16}) as bus:
        vars_ = {**variables(bus, provider), "AGENTS_PER_HUB": "10"}
        with Workerd(tmp_path / "worker", vars_) as worker:
            field = Field(bus, worker, provider)
            asked, mute = [field.start(f"s{number}", "pi") for number in range(2)]
            assert field.connections() == ["hub.0"]
            async with Caller.connected(bus.url) as caller:
                provider.will(fake.call("ask_user_question", {"question": "Well?"}))
                stream = await caller.send(asked, b"go")
                while (chunk := (await stream.next()).json)["type"] != "query":
                    pass
                provider.will(fake.call("ask_user_question", {"question": "Well?"}), fake.say("without"))
                assert text_of(await caller.prompt(mute, "go")) == "without"
                provider.will(fake.say("thanks"))
                await caller.nats.publish(chunk["data"]["reply_subject"], b"yes")
                assert text_of(await stream.rest()) == "thanks"


async def test_what_the_hub_forgot_is_found_again(field: Field) -> None:
    """A row that was lost with a machine, an alarm that was given up: the cron trigger and the Registry know."""
    subjects = [field.start(f"s{number}") for number in range(3)]
    field.worker.kill()
    field.worker.alter("Hub", "DELETE FROM _cf_KV WHERE key LIKE 'seat.s1'")
    field.worker.lose_alarms("Hub")
    field.worker.start()
    field.worker.trigger_cron()
    async with Caller.connected(field.bus.url) as caller:
        for subject in subjects:
            await answers(caller, subject)
    assert field.worker.alarms("Hub") == 1


async def test_a_hub_that_forgot_everything_finds_its_agents(field: Field) -> None:
    """Its storage is empty, so it does not even know its name: the cron trigger tells it."""
    subjects = [field.start(f"s{number}") for number in range(3)]
    field.worker.kill()
    field.worker.alter("Hub", "DELETE FROM _cf_KV")
    field.worker.lose_alarms("Hub")
    field.worker.start()
    field.worker.trigger_cron()
    async with Caller.connected(field.bus.url) as caller:
        for subject in subjects:
            await answers(caller, subject)
    assert field.connections() == ["hub.0"]


async def test_what_the_registry_forgot_is_found_again(field: Field) -> None:
    """Its hub knows the agent: an abort of all finds it, and its place in the hub is counted."""
    for number in range(2):
        field.start(f"s{number}")
    field.worker.stop()
    field.worker.alter("Registry", "DELETE FROM _cf_KV WHERE key = 's1'")
    field.worker.start()
    await until(lambda: "s1" in field.listed())
    with field.worker.client() as client:
        assert sorted(client.post("/control/abort").json()["stopped"]) == ["s0", "s1"]


async def test_a_start_that_was_cut_off_costs_no_later_one(field: Field) -> None:
    """A place without an agent is removed, but not while an agent is starting there."""
    field.start("other")
    field.worker.patch = SLOW
    field.deploy()
    httpx.get(f"{field.worker.url}/place/again", trust_env=False)
    await until(lambda: "looked at again" in field.worker.log)
    field.start("again")
    await until(lambda: "looked away" in field.worker.log)
    await asyncio.sleep(0.5)
    with field.worker.client() as client:
        assert sorted(client.post("/control/abort").json()["stopped"]) == ["again", "other"]


async def test_a_place_in_a_hub_that_never_was_is_given_up(field: Field) -> None:
    """The cron trigger wakes the hub, which has no such agent."""
    field.worker.patch = SLOW
    field.deploy()
    httpx.get(f"{field.worker.url}/place/never", trust_env=False)
    assert field.listed() == {"never"}
    field.worker.kill()
    field.worker.start()
    field.worker.trigger_cron()
    await until(lambda: not field.listed())


async def test_idle_agents_of_a_hub_stop_themselves(field: Field) -> None:
    """By the limit, each by its own last turn; the others stay."""
    field.start("idle")
    subject = field.start("prompted")
    field.deploy(AGENT_IDLE_LIMIT_S="6")
    async with Caller.connected(field.bus.url) as caller:
        await until(lambda: field.view("prompted")["state"] == "ready")
        deadline = time.monotonic() + LIMIT_S
        while field.view("idle")["state"] != "stopped":
            assert time.monotonic() < deadline
            assert text_of(await caller.prompt(subject, "still here")) == "still here"
            await asyncio.sleep(0.5)
        assert field.view("prompted")["state"] == "ready"
        assert "AGENT_IDLE_LIMIT_S" in field.view("idle")["cause"]
    with field.worker.client() as client:
        assert client.post("/control/abort").json()["stopped"] == ["prompted"]


async def test_the_sessions_of_a_hub_have_no_alarm(field: Field) -> None:
    """An idle agent is an object that nobody wakes: that is what a hub is for."""
    field.start("asleep")
    await asyncio.sleep(1)
    assert field.worker.alarms("AgentSession") == 0
    assert field.worker.alarms("Hub") == 1
