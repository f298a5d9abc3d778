"""What callers rely on beyond a stream of their own: clocks, signals as documented, nobody's answers, announcements."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
from synadia_ai.agent_service import AgentService

from tests.support import openrouter as fake
from tests.support.caller import Caller, Stream, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import KEY, OpenRouter
from tests.support.openrouter_request import Assistant, ToolResult, User
from tests.support.proxy import Proxy
from tests.support.workerd import Workerd, own_connections

pytestmark = pytest.mark.anyio

ABORTED = {"type": "status", "data": "aborted"}


@pytest.fixture(scope="module")
def worker(bus: NatsServer, provider: OpenRouter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a running Worker with a key for the provider."""
    variables = {
        "NATS_WS_URL": bus.ws_url,
        "OPENROUTER_BASE_URL": provider.base_url,
        "OPENROUTER_API_KEY": KEY,
    }
    with Workerd(tmp_path_factory.mktemp("worker"), variables) as server:
        yield server


@dataclass(frozen=True)
class Agent:
    """A running agent, a caller on its bus and the provider of its model."""

    start: dict[str, Any]
    caller: Caller
    provider: OpenRouter
    worker: Workerd

    @property
    def prompt(self) -> str:
        """The subject of prompts."""
        subject: str = self.start["subjects"]["prompt"]
        return subject

    async def hang(self) -> Stream:
        """Send a prompt whose turn never ends; return its stream after the first words."""
        self.provider.will(fake.hang("well"))
        stream = await self.caller.send(self.prompt, b"hang")
        assert (await stream.next()).json["data"] == "ack"
        assert (await stream.next()).json["data"] == "well"
        self.provider.request()
        return stream

    async def tell(self, payload: bytes) -> None:
        """Send a prompt to which nobody wants an answer."""
        await self.caller.nats.publish(self.prompt, payload)
        await self.caller.nats.flush()

    def subject_of(self, verb: str) -> str:
        """Return the subject of a control signal."""
        subject: str = self.start["subjects"]["signal"]
        return subject.replace(">", verb, 1)

    async def signal(self, verb: str, body: bytes = b"", reply: str = "") -> None:
        """Publish a control signal."""
        await self.caller.nats.publish(self.subject_of(verb), body, reply=reply)
        await self.caller.nats.flush()

    async def logged(self, text: str) -> int:
        """Return how many lines of the log contain a text, once some time has passed."""
        await asyncio.sleep(0.3)
        return sum(text in line and self.start["session"] in line for line in self.worker.log.splitlines())


@pytest.fixture
async def agent(bus: NatsServer, provider: OpenRouter, worker: Workerd, session: str) -> AsyncIterator[Agent]:
    """Return a fresh agent with a model."""
    with worker.client() as http:
        start = http.post(f"/agent/{session}", json={"agent": "pi"}).json()
        async with Caller.connected(bus.url) as caller:
            yield Agent(start, caller, provider, worker)
        http.post(f"/control/abort/{session}")
    provider.settle()


@pytest.mark.slow
async def test_no_stream_is_silent_for_more_than_20_seconds(agent: Agent) -> None:
    """Whatever it said before, and also while it waits: some callers give up after 30 s."""
    agent.provider.will(fake.say_after((0.0, "a"), (7.0, "b"), (50.0, "c")), fake.say("done"))
    running = await agent.caller.send(agent.prompt, b"slow")
    await asyncio.sleep(3)
    waiting = await agent.caller.send(agent.prompt, b"waiting")

    async def longest_gap(stream: Stream) -> float:
        gap, last, end = 0.0, time.monotonic(), time.monotonic() + 50
        while time.monotonic() < end:
            try:
                await stream.next(end - time.monotonic())
            except TimeoutError:
                break
            gap, last = max(gap, time.monotonic() - last), time.monotonic()
        return max(gap, time.monotonic() - last)

    gaps = await asyncio.gather(longest_gap(running), longest_gap(waiting))
    assert max(gaps) <= 20
    assert min(gaps) > 10
    assert text_of(await waiting.rest(30)) == "done"


class TestNobody:
    """A prompt or a redirect without a reply subject is answered to nobody."""

    async def test_a_prompt_runs(self, agent: Agent) -> None:
        """Its turn is part of the conversation."""
        agent.provider.will(fake.say("heard"), fake.say("next"))
        await agent.tell(b"told")
        assert agent.provider.request().texts(User) == ["told"]
        assert text_of(await agent.caller.prompt(agent.prompt, "again")) == "next"
        request = agent.provider.request()
        assert (request.texts(User), request.texts(Assistant)) == (["told", "again"], ["heard"])

    @pytest.mark.parametrize(
        "body",
        [b'{"prompt": "instead"}', b'{"prompt": "instead", "reply": null}', b'{"prompt": "instead", "reply": ""}'],
    )
    async def test_a_redirect_runs(self, agent: Agent, body: bytes) -> None:
        """It interrupts, and the new prompt runs."""
        stream = await agent.hang()
        agent.provider.will(fake.say("new"))
        await agent.signal("redirect", body)
        assert [frame.json for frame in (await stream.rest())[:-1]] == [ABORTED]
        assert agent.provider.request().texts(User) == ["instead"]

    async def test_a_question_is_not_asked(self, agent: Agent) -> None:
        """The model learns at once that nobody listens."""
        agent.provider.will(fake.call("ask_user_question", {"question": "Well?"}), fake.say("Then without."))
        await agent.tell(b"told")
        agent.provider.request()
        [result] = agent.provider.request(5).texts(ToolResult)
        assert result is not None
        assert "no reply subject" in result

    async def test_a_failure_disturbs_nothing(self, agent: Agent) -> None:
        """Neither a malformed prompt nor a failed turn ends the agent."""
        agent.provider.will(fake.fail(404), fake.say("fine"))
        for payload in (b"", b"{", b"fails"):
            await agent.tell(payload)
        assert text_of(await agent.caller.prompt(agent.prompt, "on")) == "fine"
        assert await agent.logged("turn failed") == 1


#: Subjects on which an agent must never answer: its own kind's, signals, and the server's.
FORBIDDEN = [
    "agents.prompt.open-agent.worker.victim",
    "agents.hb.open-agent.worker.victim",
    "orch.signal.interrupt.open-agent.worker.victim",
    "$JS.API.STREAM.PURGE.victim",
    "$KV.bucket.key",
    "$SRV.PING",
]


class TestForbiddenReplies:
    """Who may prompt an agent does not gain what the agent may publish."""

    @pytest.mark.parametrize("reply", FORBIDDEN)
    async def test_nothing_is_published(self, agent: Agent, reply: str) -> None:
        """No endpoint, no discovery and no signal answers there."""
        start, nc = agent.start, agent.caller.nats
        subscription = await nc.subscribe(reply)
        await nc.flush()
        asked = [agent.prompt, start["subjects"]["status"]]
        for verb in ("PING", "INFO", "STATS"):
            asked += [f"$SRV.{verb}", f"$SRV.{verb}.agents", f"$SRV.{verb}.agents.{start['instance_id']}"]
        for subject in asked:
            if subject != reply:
                await nc.publish(subject, b"hello", reply=reply)
        await agent.signal("redirect", json.dumps({"prompt": "x", "reply": reply}).encode(), reply=reply)
        await agent.signal("interrupt", b"", reply=reply)
        stream = await agent.caller.send(start["subjects"]["status"], b"")
        assert (await stream.next()).json["session"] == start["session"]
        assert await Stream(reply, subscription).silent()
        assert await agent.logged("reply") >= 1
        assert await agent.logged(reply) == 0

    async def test_other_subjects_are_answered(self, agent: Agent) -> None:
        """The names that are refused are whole tokens."""
        for reply in ("agentsof.mine", "orchestra.mine", "mine.agents.orch"):
            subscription = await agent.caller.nats.subscribe(reply)
            await agent.caller.nats.publish(agent.start["subjects"]["status"], b"", reply=reply)
            assert (await Stream(reply, subscription).next()).json["session"] == agent.start["session"]


class TestOrder:
    """What arrives together is handled in the order in which it was sent."""

    async def test_an_interrupt_ends_no_later_prompt(self, agent: Agent) -> None:
        """It concerns the turn that was running, or none."""
        answers = [f"answer {n}" for n in range(20)]
        agent.provider.will(*(fake.say(answer) for answer in answers))
        for answer in answers:
            stream = await agent.caller.listen()
            await agent.caller.nats.publish(agent.subject_of("interrupt"))
            await agent.caller.nats.publish(agent.prompt, b"hello", reply=stream.subject)
            assert text_of(await stream.rest()) == answer

    async def test_a_redirect_ends_no_later_prompt(self, agent: Agent) -> None:
        """The redirect runs, and then the prompt."""
        for n in range(10):
            agent.provider.will(fake.say("redirected"), fake.say("prompted"))
            first, second = await agent.caller.listen(), await agent.caller.listen()
            body = json.dumps({"prompt": f"redirect {n}", "reply": first.subject}).encode()
            await agent.caller.nats.publish(agent.subject_of("redirect"), body)
            await agent.caller.nats.publish(agent.prompt, b"hello", reply=second.subject)
            assert text_of(await first.rest()) == "redirected"
            assert text_of(await second.rest()) == "prompted"


MALFORMED = [
    ("redirect", b""),
    ("redirect", b"not JSON, and something confidential"),
    ("redirect", b'["something confidential"]'),
    ("redirect", b'{"reply": "a-confidential"}'),
    ("redirect", b'{"prompt": "", "reply": "a-confidential"}'),
    ("redirect", b'{"prompt": "something confidential", "reply": 7}'),
    ("redirect", b'{"prompt": "something confidential", "reply": "a.>"}'),
    ("redirect", b'{"prompt": "\xff"}'),
    ("confidential-verb", b"something confidential"),
]


@pytest.mark.parametrize(("verb", "body"), MALFORMED)
async def test_what_is_wrong_with_a_signal_is_logged_once(agent: Agent, verb: str, body: bytes) -> None:
    """Briefly and without its content; the turn goes on."""
    stream = await agent.hang()
    for _ in range(3):
        await agent.signal(verb, body)
    assert await agent.logged("ignored") == 1
    assert "confidential" not in agent.worker.log
    assert await stream.silent()


@own_connections
async def test_a_whole_answer_leaves_as_one_message(bus: NatsServer, tmp_path: Path) -> None:
    """Each WebSocket message costs the agent, the bus and the network, so one tick of the event loop says one.

    In a hub, the call of the session comes between the ack and the answer.
    """
    with Proxy(bus.ws_port) as proxy:
        variables = {"NATS_WS_URL": f"ws://127.0.0.1:{proxy.port}"}
        with Workerd(tmp_path / "worker", variables) as worker, worker.client() as http:
            subject = http.post("/agent/echo").json()["subjects"]["prompt"]
            async with Caller.connected(bus.url) as caller:
                for _ in range(3):
                    await caller.prompt(subject, "warm up")
                proxy.said = bytearray()
                assert text_of(await caller.prompt(subject, "hello")) == "hello"
    messages = list(websocket_messages(bytes(proxy.said)))
    [answer] = [message for message in messages if b"ack" in message]
    assert answer.count(b"PUB ") == 3
    assert b"hello" in answer


def websocket_messages(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of a client's frames, each of which is a message of less than 64 KiB."""
    while data:
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        mask, body = data[start : start + 4], data[start + 4 : start + 4 + length]
        yield bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
        data = data[start + 4 + length :]


@asynccontextmanager
async def host(url: str) -> AsyncIterator[str]:
    """Run an agent on the protocol's own host library; give its session."""
    connection = await nats.connect(url)
    service = AgentService(agent="peer", owner="someone", session_name="reference", nc=connection)

    async def unused(*_: object) -> None:
        raise AssertionError("prompted")

    service.on_prompt(unused)
    await service.start()
    try:
        yield "reference"
    finally:
        await service.stop()
        await connection.close()


async def test_it_announces_what_the_host_library_announces(bus: NatsServer, agent: Agent) -> None:
    """Status and discovery have each field that the newest host library sends."""
    async with host(bus.url) as reference:
        infos = {info["metadata"]["session"]: info for info in await agent.caller.services()}
        ours, theirs = infos[agent.start["session"]], infos[reference]
        statuses = [await agent.caller.request_json(endpoint(info, "status")["subject"]) for info in (ours, theirs)]
    assert theirs["metadata"].keys() <= ours["metadata"].keys()
    for name in ("prompt", "status"):
        assert endpoint(theirs, name).keys() <= endpoint(ours, name).keys() | {"metadata"}
    assert endpoint(theirs, "prompt")["metadata"].keys() == endpoint(ours, "prompt")["metadata"].keys()
    assert endpoint(ours, "prompt")["metadata"]["min_sender_trust"] == "any"
    ours_now, theirs_now = statuses
    assert theirs_now.keys() <= ours_now.keys()
    assert ours_now["protocol_version"] == ours["metadata"]["protocol_version"]
    assert theirs_now["endpoints"].keys() == ours_now["endpoints"].keys()
    for status, info in ((ours_now, ours), (theirs_now, theirs)):
        prompt = endpoint(info, "prompt")
        assert status["endpoints"]["prompt"] == {"subject": prompt["subject"], "metadata": prompt["metadata"]}


def endpoint(info: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one endpoint of an answer to discovery."""
    [found] = [one for one in info["endpoints"] if one["name"] == name]
    return dict(found)
