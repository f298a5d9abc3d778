"""What runs, and what it has done: the list of agents, and their counters."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from nats.aio.msg import Msg
from nats.micro.service import ServiceStats

from tests.conformance.test_hub import FRAGILE
from tests.conformance.test_turns import Agent, noted
from tests.support import gateway as fake_gateway
from tests.support import openrouter as fake
from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, variables
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

LIMIT_S = 40
COUNTERS = ("answered", "failed", "input_tokens", "output_tokens")
#: What the fake providers say that a call used.
INPUT, OUTPUT = 7, 5


@pytest.fixture(scope="module")
def worker(bus: NatsServer, provider: OpenRouter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a running Worker."""
    with Workerd(tmp_path_factory.mktemp("worker"), variables(bus, provider)) as server:
        yield server


@pytest.fixture
async def agent(bus: NatsServer, worker: Workerd, provider: OpenRouter, session: str) -> AsyncIterator[Agent]:
    """Return a running agent with a model; at the end its provider was asked rightly."""
    async with Caller.connected(bus.url) as caller:
        agent = Agent(session, worker, caller, provider)
        agent.start()
        yield agent
    provider.settle()


@pytest.fixture
def breakable(provider: OpenRouter, tmp_path: Path) -> Iterator[tuple[NatsServer, Workerd]]:
    """Return a bus and a Worker that a test may break."""
    with NatsServer(tmp_path / "nats") as bus, Workerd(tmp_path / "worker", variables(bus, provider)) as worker:
        yield bus, worker


@pytest.fixture
async def fragile(breakable: tuple[NatsServer, Workerd], provider: OpenRouter) -> AsyncIterator[Agent]:
    """Return a running agent on them."""
    bus, worker = breakable
    async with Caller.connected(bus.url) as caller:
        agent = Agent("a", worker, caller, provider)
        agent.start()
        yield agent


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


def counted(agent: Agent) -> tuple[int, int, int, int]:
    """Return the exact counters of an agent: answered, failed, tokens in and out."""
    with agent.worker.client() as http:
        view = http.get(f"/agent/{agent.session}").json()
    answered, failed, tokens_in, tokens_out = (view[name] for name in COUNTERS)
    return answered, failed, tokens_in, tokens_out


def shown(agent: Agent) -> tuple[int, int, int, int]:
    """Return the counters of an agent in the list."""
    with agent.worker.client() as http:
        view = row(http, agent.session)
    answered, failed, tokens_in, tokens_out = (view.get(name, -1) for name in COUNTERS)
    return answered, failed, tokens_in, tokens_out


def connections(bus: NatsServer) -> list[str]:
    """Return the names of the connections to a bus."""
    found = httpx.get(f"{bus.monitor_url}/connz", trust_env=False).json()["connections"]
    return [one.get("name", "") for one in found]


def state(agent: Agent) -> str:
    """Return the state of an agent in the list."""
    with agent.worker.client() as http:
        state: str = row(http, agent.session).get("state", "")
    return state


async def said(agent: Agent, text: str = "hello") -> None:
    """Let the agent answer a prompt with one call of its model."""
    agent.provider.will(fake.say(text))
    assert text_of(await (await agent.prompt("go")).rest()) == text


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

    async def test_a_head_has_no_body(self, http: httpx.Client) -> None:
        """It answers what a GET would, without the list."""
        response = http.head("/agents")
        assert (response.status_code, response.content) == (200, b"")

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


#: A bundle in which one object is another: of its class `Good`.
OTHER = """\
import bundle, {{ {name} as Good }} from "bundle.js";
export * from "bundle.js";
export default bundle;
export class {name} extends Good {{
{body}
}}
"""


def with_registry(body: str) -> str:
    """Return a bundle whose Registry has these methods."""
    return OTHER.format(name="Registry", body=body)


def later(ms: int) -> str:
    """Return a bundle whose Registry believes that so much time has passed whenever it is asked for the list."""
    return with_registry(f"""\
  agents(query) {{
    const now = Date.now;
    Date.now = () => now() + {ms};
    try {{ return super.agents(query); }} finally {{ Date.now = now; }}
  }}""")


#: A bundle whose Registry is called by requests.
CALLING = """\
import bundle from "bundle.js";
export * from "bundle.js";
export default {
  ...bundle,
  async fetch(request, env, ctx) {
    const [, call, method] = new URL(request.url).pathname.split("/");
    if (call !== "call") return bundle.fetch(request, env, ctx);
    await env.REGISTRY.getByName("registry")[method](...(await request.json()));
    return new Response("called");
  },
};
"""


def redeploy(worker: Workerd, patch: str) -> None:
    """Let another version take the place of this one."""
    worker.stop()
    worker.patch = patch
    worker.start()


class TestFaults:
    """The list says what is known, and nothing depends on it."""

    async def test_an_agent_without_its_bus_is_starting(
        self, fragile: Agent, breakable: tuple[NatsServer, Workerd]
    ) -> None:
        """With the cause, until it is back."""
        bus, _ = breakable
        await until(lambda: state(fragile) == "ready")
        bus.stop()
        await until(lambda: state(fragile) == "starting")
        with fragile.worker.client() as http:
            assert "bus" in row(http, "a")["cause"]
            bus.start()
            await until(lambda: state(fragile) == "ready")
            assert "cause" not in row(http, "a")

    async def test_an_agent_without_its_bus_is_starting_in_a_new_registry(
        self, fragile: Agent, breakable: tuple[NatsServer, Workerd]
    ) -> None:
        """The platform drops an idle Registry within seconds; the cause is on its disk."""
        bus, _ = breakable
        redeploy(fragile.worker, FRAGILE)
        await until(lambda: state(fragile) == "ready")
        bus.stop()
        await until(lambda: state(fragile) == "starting")
        with fragile.worker.client() as http:
            http.get("/crash/REGISTRY/registry")
            assert state(fragile) == "starting"
            assert "bus" in row(http, "a")["cause"]

    async def test_an_agent_that_gives_no_sign_of_life_is_starting(self, fragile: Agent) -> None:
        """After a minute, counted from the start of the Registry; not before."""
        await until(lambda: state(fragile) == "ready")
        redeploy(fragile.worker, later(61_000))
        with fragile.worker.client() as http:
            found = row(http, "a")
            assert (found["state"], "sign of life" in found["cause"]) == ("starting", True)
            redeploy(fragile.worker, later(10_000))
            assert row(http, "a")["state"] == "ready"

    @pytest.mark.slow
    async def test_an_idle_agent_gives_signs_of_life(self, fragile: Agent) -> None:
        """It stays ready in the list without a prompt, for longer than the list waits for a sign."""
        await until(lambda: state(fragile) == "ready")
        for _ in range(26):
            await asyncio.sleep(5)
            assert state(fragile) == "ready"

    async def test_a_stopped_agent_is_listed_for_a_day(self, fragile: Agent) -> None:
        """And then nothing of it is left; one that runs stays."""
        with fragile.worker.client() as http:
            start(http, "b", "ann")
            await until(lambda: row(http, "b")["state"] == "ready")
            http.post("/control/abort/b")
            redeploy(fragile.worker, later(86_000_000))
            assert [agent["session"] for agent in listed(http)["agents"]] == ["b", "a"]
            redeploy(fragile.worker, later(87_000_000))
            assert [agent["session"] for agent in listed(http)["agents"]] == ["a"]
        assert fragile.worker.stored("Registry", "SELECT session FROM agent") == [["a"]]

    async def test_asking_for_the_list_wakes_no_agent(self, fragile: Agent) -> None:
        """Neither its session nor its hub is called."""
        await until(lambda: state(fragile) == "ready")
        methods = {"AgentSession": ["look", "rejoin"], "Hub": ["view", "wake"]}
        fragile.worker.stop()
        for name, calls in methods.items():
            body = "\n".join(
                f'  {call}(...all) {{ console.log("touched"); return super.{call}(...all); }}' for call in calls
            )
            fragile.worker.patch = OTHER.format(name=name, body=body)
            fragile.worker.start()
            assert state(fragile) == "ready"
            assert "touched" not in fragile.worker.log
            fragile.worker.stop()

    async def test_a_report_that_fails_is_repeated(self, fragile: Agent) -> None:
        """The agent answers meanwhile, and the list is right in the end."""
        failing = "  async report(...all) { if (failures++ < 3) throw new Error(); return super.report(...all); }"
        redeploy(fragile.worker, f"let failures = 0;\n{with_registry(failing)}")
        await until(lambda: fragile.state == "ready")
        await said(fragile)
        await until(lambda: shown(fragile) == counted(fragile) == (1, 0, INPUT, OUTPUT))
        assert "not reported" in fragile.worker.log

    async def test_a_late_report_changes_nothing(self, breakable: tuple[NatsServer, Workerd]) -> None:
        """From where an agent no longer is, or of one that was stopped or started again."""
        _, worker = breakable
        redeploy(worker, CALLING)
        with worker.client() as http:

            def call(method: str, *arguments: object) -> None:
                http.post(f"/call/{method}", json=arguments).raise_for_status()

            def report(answered: int, started: int = 2000, **more: object) -> dict[str, object]:
                tally = {"startedAt": started, "activeAt": started, "answered": answered, "failed": 0}
                tokens = {"inputTokens": 0, "outputTokens": 0}
                return {
                    "session": "x",
                    "owner": "o",
                    "agent": "echo",
                    "state": "ready",
                    "tally": tally | tokens,
                    **more,
                }

            call("add", "x", report(0, state="starting"))
            assert row(http, "x")["state"] == "starting"
            call("report", "hub.0", [report(7)])
            assert row(http, "x")["state"] == "starting"
            call("report", "x", [report(1)])
            call("report", "x", [report(7, 1000)])
            assert (row(http, "x")["state"], row(http, "x")["answered"]) == ("ready", 1)
            call("remove", "x", report(2, state="stopped", stoppedAt=int(time.time() * 1000)))
            call("report", "x", [report(7)])
            assert (row(http, "x")["state"], row(http, "x")["answered"]) == ("stopped", 2)
            call("add", "x", report(0, 3000, state="starting"))
            call("report", "x", [report(7)])
            assert (row(http, "x")["state"], row(http, "x")["answered"]) == ("starting", 0)
            call("report", "x", [report(3, 3000)])
            assert (row(http, "x")["state"], row(http, "x")["answered"]) == ("ready", 3)

    async def test_the_list_survives_the_registry(self, fragile: Agent) -> None:
        """What was reported is on its disk."""
        await said(fragile)
        await until(lambda: shown(fragile) == (1, 0, INPUT, OUTPUT))
        fragile.worker.stop()
        fragile.worker.patch = FRAGILE
        fragile.worker.start()
        with fragile.worker.client() as http:
            http.get("/crash/REGISTRY/registry")
            assert shown(fragile) == (1, 0, INPUT, OUTPUT)

    async def test_agents_of_an_earlier_version_are_listed(self, fragile: Agent) -> None:
        """At once, as far as known, and completely once they have reported."""
        await noted()
        fragile.worker.kill()
        fragile.worker.alter("Registry", "DROP TABLE agent")
        fragile.worker.alter("AgentSession", "DELETE FROM _cf_KV WHERE key = 'activity'")
        fragile.worker.alter("Hub", "DELETE FROM _cf_KV WHERE key LIKE 'open.%'")
        fragile.worker.start()
        with fragile.worker.client() as http:
            assert [agent["session"] for agent in listed(http)["agents"]] == ["a"]
            await until(lambda: row(http, "a")["owner"] == "worker" and row(http, "a")["state"] == "ready")
            assert row(http, "a")["started_at"] == http.get("/agent/a").json()["started_at"]

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            (
                "Registry",
                """\
  async add(session) { await super.add(session); }
  async remove(session) { await super.remove(session); }
  async place(session, room) { return await super.place(session, room); }
  async report() { throw new TypeError("no such method"); }""",
            ),
            (
                "Hub",
                """\
  async join(hub, presence, { generation, isNew, orphans }) {
    const { tally, ...view } = (await super.join(hub, presence, { generation, isNew, orphans })).value;
    return { ok: true, value: view };
  }
  async leave(...all) { await super.leave(...all); return { ok: true, value: undefined }; }
  async view(session) { const { tally, ...view } = await super.view(session); return view; }""",
            ),
            (
                "AgentSession",
                """\
  async unseat(generation, cause) { await super.unseat(generation, cause); }
  async expire(generation, cause) { await super.expire(generation, cause); }
  async turn(...all) { const { usage, ...end } = await super.turn(...all); return end; }""",
            ),
        ],
    )
    async def test_versions_may_be_mixed(self, fragile: Agent, name: str, body: str) -> None:
        """During a deployment, one object may be older than the others: all of them work, if with fewer numbers."""
        redeploy(fragile.worker, OTHER.format(name=name, body=body))
        await until(lambda: fragile.state == "ready")
        await said(fragile)
        with fragile.worker.client() as http:
            subject = start(http, "b", "ann")
            assert text_of(await fragile.caller.prompt(subject, "hello")) == "hello"
            assert http.post("/control/abort/b").json() == {"stopped": ["b"]}
            assert http.get("/agent/b").json()["state"] == "stopped"
            assert "a" in [agent["session"] for agent in listed(http)["agents"]]

    @pytest.mark.slow
    async def test_a_thousand_sessions(self, breakable: tuple[NatsServer, Workerd]) -> None:
        """All are listed, in ten pages, with a prompt each; and after a crash, and after an abort of all."""
        bus, worker = breakable
        sessions = [f"s{number}" for number in range(1000)]
        async with (
            httpx.AsyncClient(base_url=worker.url, timeout=600, trust_env=False) as client,
            Caller.connected(bus.url) as caller,
        ):
            await start_all(client, sessions)
            waiting = asyncio.Semaphore(50)

            async def prompt(session: str) -> None:
                async with waiting:
                    await caller.prompt(f"agents.prompt.open-agent.many.{session}", "hello")

            await asyncio.gather(*(prompt(session) for session in sessions))
            totals = {"agents": 1000, "running": 1000, **dict.fromkeys(COUNTERS, 0), "answered": 1000}
            with worker.client() as http:
                await until(lambda: listed(http)["totals"] == totals)
                await noted()
                worker.kill()
                worker.start()
                assert listed(http)["totals"] == totals
                pages = [listed(http)]
                while "cursor" in pages[-1]:
                    pages.append(listed(http, cursor=pages[-1]["cursor"]))
                assert [len(page["agents"]) for page in pages] == [100] * 10
                assert {agent["session"] for page in pages for agent in page["agents"]} == set(sessions)
            assert len((await client.post("/control/abort")).json()["stopped"]) == 1000
            with worker.client() as http:
                assert listed(http)["totals"] == {**totals, "running": 0}


#: What the schema `io.nats.micro.v1.stats_response` requires, which the `nats` CLI validates against.
STATS = {
    "type": "object",
    "required": ["type", "name", "id", "version", "started", "endpoints"],
    "properties": {
        "type": {"const": "io.nats.micro.v1.stats_response"},
        "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
        "id": {"type": "string", "minLength": 1},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "started": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$"},
        "endpoints": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    *("name", "subject", "num_requests", "num_errors", "last_error"),
                    *("processing_time", "average_processing_time"),
                ],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
                    "subject": {"type": "string", "minLength": 1},
                    "num_requests": {"type": "integer"},
                    "num_errors": {"type": "integer"},
                    "last_error": {"type": "string"},
                    "processing_time": {"type": "integer"},
                    "average_processing_time": {"type": "integer"},
                    "data": {"type": "object"},
                },
            },
        },
    },
}


class TestStats:
    """The answer to `$SRV.STATS`."""

    async def stats(self, agent: Agent) -> dict[str, Any]:
        """Return the endpoint `prompt`, once the whole answer is what readers of NATS expect."""
        [info] = [one for one in await agent.caller.services() if one["metadata"]["session"] == agent.session]
        answer = await agent.caller.request_json(f"$SRV.STATS.agents.{info['id']}")
        Draft202012Validator(STATS).validate(answer)
        read = ServiceStats.from_dict(answer)
        assert [endpoint.name for endpoint in read.endpoints] == ["prompt", "status"]
        prompt: dict[str, Any] = answer["endpoints"][0]
        return prompt

    async def test_requests_errors_and_counters(self, agent: Agent) -> None:
        """A refused prompt is an error of the endpoint; the counters of the agent are in `data`."""
        fresh = await self.stats(agent)
        assert (fresh["num_requests"], fresh["num_errors"], fresh["last_error"]) == (0, 0, "")
        await said(agent)
        agent.provider.will(fake.fail(401))
        await (await agent.prompt("fails")).rest()
        failed = await self.stats(agent)
        assert (failed["num_requests"], failed["num_errors"]) == (2, 1)
        assert failed["last_error"].startswith("500:OpenRouter")
        await agent.caller.prompt(f"agents.prompt.open-agent.worker.{agent.session}", b"")
        refused = await self.stats(agent)
        assert (refused["num_requests"], refused["num_errors"]) == (3, 2)
        assert refused["last_error"].startswith("400:")
        assert {name: refused["data"][name] for name in COUNTERS} == dict(
            zip(COUNTERS, (1, 1, INPUT, OUTPUT), strict=True)
        )

    async def test_the_time_of_a_turn_is_true(self, agent: Agent) -> None:
        """In nanoseconds, from the prompt to the end of its stream; what is not finished counts in no time."""
        released = threading.Event()
        agent.provider.will(fake.say_when(released, "a", "b"))
        begin = time.monotonic()
        stream = await agent.prompt("go")
        await asyncio.sleep(0.3)
        running = await self.stats(agent)
        assert (running["num_requests"], running["processing_time"]) == (1, 0)
        released.set()
        await stream.rest()
        whole = time.monotonic() - begin
        ended = await self.stats(agent)
        assert 0.29e9 < ended["processing_time"] <= (whole + 0.01) * 1e9
        assert ended["average_processing_time"] == ended["processing_time"]
        await said(agent)
        twice = await self.stats(agent)
        assert twice["average_processing_time"] == pytest.approx(twice["processing_time"] / 2, abs=1)

    async def test_a_status_request_is_counted(self, agent: Agent) -> None:
        """At its own endpoint."""
        for _ in range(3):
            await agent.caller.request_json(f"agents.status.open-agent.worker.{agent.session}")
        [info] = [one for one in await agent.caller.services() if one["metadata"]["session"] == agent.session]
        answer = await agent.caller.request_json(f"$SRV.STATS.agents.{info['id']}")
        # A start sends one to itself.
        assert answer["endpoints"][1]["num_requests"] == 4


class TestNumbers:
    """What an agent has done, exactly in `GET /agent/<session>`, and soon in the list."""

    async def test_prompts_and_tokens(self, agent: Agent) -> None:
        """Answered or failed; every call of a turn with tools counts, as the provider counted it."""
        await said(agent)
        assert counted(agent) == (1, 0, INPUT, OUTPUT)
        agent.provider.will(fake.call("web_fetch", {"url": "http://127.0.0.1/"}), fake.say("refused"))
        await (await agent.prompt("fetch")).rest()
        assert counted(agent) == (2, 0, 3 * INPUT, 3 * OUTPUT)
        agent.provider.will(fake.fail(401))
        assert (await (await agent.prompt("fails")).rest())[-2].error_code == "500"
        assert counted(agent) == (2, 1, 3 * INPUT, 3 * OUTPUT)
        # Paid for, though it ended in an error.
        agent.provider.will(fake.say("half", finish="length"))
        await (await agent.prompt("cut")).rest()
        assert counted(agent) == (2, 2, 4 * INPUT, 4 * OUTPUT)
        await until(lambda: shown(agent) == counted(agent))

    async def test_tokens_of_the_gateway(self, bus: NatsServer, tmp_path: Path, session: str) -> None:
        """The other provider counts, too."""
        with fake_gateway.gateway() as gateway:
            keys = {"AI_GATEWAY_BASE_URL": gateway.base_url, "AI_GATEWAY_API_KEY": fake_gateway.KEY}
            settings = {"NATS_WS_URL": bus.ws_url, "OPEN_AGENT_PROVIDER": "gateway", **keys}
            gateway.will(fake_gateway.say("hello"))
            with Workerd(tmp_path / "gateway", settings) as worker, worker.client() as http:
                subject = start(http, session, "ann", "pi")
                async with Caller.connected(bus.url) as caller:
                    assert text_of(await caller.prompt(subject, "go")) == "hello"
                view = http.get(f"/agent/{session}").json()
        assert (view["input_tokens"], view["output_tokens"]) == (INPUT, OUTPUT)

    async def test_refused_prompts_count_in_neither(self, agent: Agent) -> None:
        """Nor are they the last prompt."""
        [error, _] = await agent.caller.prompt(f"agents.prompt.open-agent.worker.{agent.session}", b"")
        assert error.error_code == "400"
        assert counted(agent) == (0, 0, 0, 0)
        with agent.worker.client() as http:
            assert "last_prompt_at" not in http.get(f"/agent/{agent.session}").json()
            await said(agent)
            view = http.get(f"/agent/{agent.session}").json()
            assert view["started_at"] < view["last_prompt_at"]
            await until(lambda: row(http, agent.session).get("last_prompt_at") == view["last_prompt_at"])

    async def test_an_interrupted_turn_has_failed(self, agent: Agent) -> None:
        """What its earlier calls used is known at once."""
        stream, _ = await agent.ask()
        await until(lambda: counted(agent) == (0, 0, INPUT, OUTPUT))
        await agent.signal("interrupt")
        await stream.rest()
        assert counted(agent) == (0, 1, INPUT, OUTPUT)

    async def test_a_redirect_is_a_prompt(self, agent: Agent) -> None:
        """What it replaces has failed."""
        stream = await agent.hang()
        agent.provider.will(fake.say("new"))
        new = await agent.caller.listen()
        await agent.redirect("new", new)
        await stream.rest()
        await new.rest()
        assert counted(agent) == (1, 1, INPUT, OUTPUT)

    async def test_a_prompt_without_a_reply_subject_counts(self, agent: Agent) -> None:
        """Nobody reads the answer, and somebody pays."""
        agent.provider.will(fake.say("unheard"))
        await agent.caller.nats.publish(f"agents.prompt.open-agent.worker.{agent.session}", b"go")
        await until(lambda: counted(agent) == (1, 0, INPUT, OUTPUT))

    async def test_the_list_follows_the_state(self, agent: Agent) -> None:
        """Busy in a turn, ready after it."""
        stream = await agent.hang()
        await until(lambda: state(agent) == "busy")
        await agent.signal("interrupt")
        await stream.rest()
        await until(lambda: state(agent) == "ready")

    async def test_an_abort_ends_the_count(self, agent: Agent) -> None:
        """With all that was open as failed; the next agent of the session begins at zero."""
        await said(agent)
        streams = [await agent.hang(), await agent.prompt("waiting")]
        assert agent.abort() == [agent.session]
        for stream in streams:
            await stream.rest()
        assert counted(agent) == shown(agent) == (1, 2, INPUT, OUTPUT)
        with agent.worker.client() as http:
            before = row(http, agent.session)
            assert (before["state"], before["cause"]) == ("stopped", "it was aborted")
            agent.start()
            assert counted(agent) == (0, 0, 0, 0)
            await until(lambda: row(http, agent.session)["state"] == "ready")
            after = row(http, agent.session)
        assert shown(agent) == (0, 0, 0, 0)
        assert after["started_at"] > before["started_at"]
        assert "last_prompt_at" not in after

    async def test_a_crash_costs_no_count(self, fragile: Agent) -> None:
        """Each stream that it cut off has failed once, however often it crashes."""
        await said(fragile)
        streams = [await fragile.hang(), await fragile.prompt("waiting")]
        await fragile.caller.nats.publish("agents.prompt.open-agent.worker.a", b"unheard")
        await noted()
        for _ in range(2):
            fragile.worker.kill()
            fragile.worker.start()
            await until(lambda: counted(fragile)[1] == 3)
            assert counted(fragile) == (1, 3, INPUT, OUTPUT)
            await noted()
        for stream in streams:
            assert (await stream.rest())[-2].error_code == "500"
        await until(lambda: shown(fragile) == (1, 3, INPUT, OUTPUT))
        await said(fragile)
        assert counted(fragile) == (2, 3, 2 * INPUT, 2 * OUTPUT)

    async def test_an_abort_after_a_crash_counts_what_was_cut_off(self, fragile: Agent) -> None:
        """Also if the agent is not back on the bus yet."""
        await fragile.hang()
        await fragile.prompt("waiting")
        await noted()
        fragile.worker.kill()
        fragile.worker.start()
        assert fragile.abort() == ["a"]
        assert counted(fragile) == shown(fragile) == (0, 2, 0, 0)

    async def test_a_deployment_costs_no_count(self, fragile: Agent) -> None:
        """Of another version, in the middle of a turn."""
        await said(fragile)
        with fragile.worker.client() as http:
            begun = http.get("/agent/a").json()["started_at"]
            await fragile.hang()
            await noted()
            fragile.worker.stop()
            fragile.worker.patch = 'export * from "bundle.js"; export { default } from "bundle.js";'
            fragile.worker.variables["AGENT_STEP_LIMIT"] = "3"
            fragile.worker.start()
            await until(lambda: counted(fragile) == shown(fragile) == (1, 1, INPUT, OUTPUT))
            assert http.get("/agent/a").json()["started_at"] == row(http, "a")["started_at"] == begun

    @pytest.mark.parametrize("sizes", [("1", "10"), ("10", "1"), ("1", "10", "1"), ("10", "1", "10")], ids="-".join)
    async def test_a_move_costs_no_count(self, provider: OpenRouter, tmp_path: Path, sizes: tuple[str, ...]) -> None:
        """Into a hub and out of it, with streams that the deployment cut off; nobody need ask for the agent."""
        with NatsServer(tmp_path / "nats") as bus:
            first, *later = sizes
            worker = Workerd(tmp_path / "worker", {**variables(bus, provider), "AGENTS_PER_HUB": first})
            async with Caller.connected(bus.url) as caller:
                agent = Agent("a", worker, caller, provider)
                with worker:
                    agent.start()
                    for number, size in enumerate(later, 1):
                        await said(agent)
                        await agent.hang()
                        await agent.prompt("waiting")
                        await noted()
                        worker.stop()
                        worker.variables["AGENTS_PER_HUB"] = size
                        worker.start()
                        wanted = (number, 2 * number, number * INPUT, number * OUTPUT)
                        await moved(bus, agent, "a" if size == "1" else "hub.0", wanted)
                    agent.abort()
                    assert counted(agent) == shown(agent) == wanted

    @pytest.mark.parametrize("agents_per_hub", ["1", "10"])
    async def test_an_idle_stop_keeps_the_count(
        self, provider: OpenRouter, tmp_path: Path, agents_per_hub: str
    ) -> None:
        """As an abort does."""
        with NatsServer(tmp_path / "nats") as bus:
            limits = {"AGENT_IDLE_LIMIT_S": "6", "AGENTS_PER_HUB": agents_per_hub}
            with Workerd(tmp_path / "worker", {**variables(bus, provider), **limits}) as worker:
                async with Caller.connected(bus.url) as caller:
                    agent = Agent("a", worker, caller, provider)
                    agent.start()
                    await said(agent)
                    await until(lambda: state(agent) == "stopped")
                    assert counted(agent) == shown(agent) == (1, 0, INPUT, OUTPUT)


async def moved(bus: NatsServer, agent: Agent, connection: str, numbers: tuple[int, int, int, int]) -> None:
    """Wait until an agent is on a connection, with these numbers; it is asked only when the list has them."""
    await until(lambda: connection in connections(bus))
    await until(lambda: shown(agent) == numbers)
    await until(lambda: counted(agent) == shown(agent) == numbers)
    await until(lambda: agent.state == "ready")


async def start_all(client: httpx.AsyncClient, sessions: list[str]) -> None:
    """Start agents of one owner, sixteen at once."""
    waiting = asyncio.Semaphore(16)

    async def one(session: str) -> None:
        async with waiting:
            response = await client.post(f"/agent/{session}", json={"owner": "many"})
            assert response.status_code == 201, response.text

    await asyncio.gather(*(one(session) for session in sessions))
