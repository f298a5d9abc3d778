"""Turns: one at a time, in order; interrupted, redirected, aborted, and cut off by a crash."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

import httpx
import pytest

from tests.support import openrouter as fake
from tests.support.caller import Caller, Stream, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, variables
from tests.support.openrouter_request import User
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

ACK = {"type": "status", "data": "ack"}
ABORTED = {"type": "status", "data": "aborted"}
WAITING = 16


@pytest.fixture(scope="module")
def worker(bus: NatsServer, provider: OpenRouter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a running Worker."""
    with Workerd(tmp_path_factory.mktemp("worker"), variables(bus, provider)) as server:
        yield server


@dataclass(frozen=True)
class Agent:
    """An agent with a model, as its callers see it."""

    session: str
    worker: Workerd
    caller: Caller
    provider: OpenRouter

    def start(self) -> None:
        """Start it."""
        with self.worker.client() as http:
            assert http.post(f"/agent/{self.session}", json={"agent": "pi"}).status_code == 201

    @property
    def state(self) -> str:
        """What the Worker says that it is doing."""
        with self.worker.client() as http:
            state: str = http.get(f"/agent/{self.session}").json()["state"]
        return state

    def abort(self) -> list[str]:
        """Abort it and return the sessions that were stopped."""
        with self.worker.client() as http:
            stopped: list[str] = http.post(f"/control/abort/{self.session}").json()["stopped"]
        return stopped

    async def prompt(self, text: str) -> Stream:
        """Send a prompt and return its stream behind the ack."""
        stream = await self.caller.send(f"agents.prompt.open-agent.worker.{self.session}", text.encode())
        assert (await stream.next()).json == ACK
        return stream

    async def hang(self, text: str = "hang") -> Stream:
        """Send a prompt whose turn never ends; return its stream behind the first words."""
        self.provider.will(fake.hang("well"))
        stream = await self.prompt(text)
        assert text_of([await stream.next()]) == "well"
        return stream

    async def signal(self, verb: str, body: bytes = b"") -> None:
        """Publish a control signal."""
        await self.caller.nats.publish(f"orch.signal.{verb}.open-agent.worker.{self.session}", body)

    async def ask(self) -> tuple[Stream, str]:
        """Let the agent ask its caller; return the stream behind the question, and where an answer belongs."""
        self.provider.will(fake.call("ask_user_question", {"question": "Well?"}))
        stream = await self.prompt("ask")
        chunk = (await stream.next()).json
        while chunk["type"] != "query":
            chunk = (await stream.next()).json
        return stream, chunk["data"]["reply_subject"]

    async def redirect(self, text: str, stream: Stream) -> None:
        """Publish a redirect that is to be answered on the stream."""
        await self.signal("redirect", json.dumps({"prompt": text, "reply": stream.subject}).encode())


@pytest.fixture
async def agent(bus: NatsServer, worker: Workerd, provider: OpenRouter, session: str) -> AsyncIterator[Agent]:
    """Return a running agent; at the end its provider was asked rightly."""
    async with Caller.connected(bus.url) as caller:
        agent = Agent(session, worker, caller, provider)
        agent.start()
        yield agent
        agent.abort()
    provider.settle()


async def chunks_of(stream: Stream) -> list[object]:
    """Return the chunks up to the terminator, and check that nothing comes after it."""
    frames = await stream.rest()
    assert frames[-1].is_terminator
    assert await stream.silent()
    return [frame.json for frame in frames[:-1]]


class TestQueue:
    """Prompts that arrive while one is answered."""

    async def test_a_waiting_prompt_is_acknowledged_at_once(self, agent: Agent) -> None:
        """The caller learns that it was accepted, though its turn has not begun."""
        running = await agent.hang()
        waiting = await agent.prompt("waiting")
        agent.provider.will(fake.say("done"))
        assert agent.state == "busy"
        await agent.signal("interrupt")
        assert await chunks_of(running) == [ABORTED]
        assert text_of(await waiting.rest()) == "done"
        assert agent.state == "ready"

    async def test_prompts_run_one_at_a_time_in_order(self, agent: Agent) -> None:
        """The provider sees the second prompt only after the first has ended."""
        released = threading.Event()
        agent.provider.will(fake.say_when(released, "a", "b"), *(fake.say(str(n)) for n in range(5)))
        first = await agent.prompt("first")
        waiting = [await agent.prompt(f"waiting {n}") for n in range(5)]
        agent.provider.request()
        with pytest.raises(Empty):
            agent.provider.request(timeout=0.2)
        released.set()
        assert text_of(await first.rest()) == "ab"
        assert [text_of(await stream.rest()) for stream in waiting] == ["0", "1", "2", "3", "4"]

    async def test_past_sixteen_a_prompt_is_refused(self, agent: Agent) -> None:
        """Code 429 without an ack; those that wait keep their place."""
        running = await agent.hang()
        waiting = [await agent.prompt(f"waiting {n}") for n in range(WAITING)]
        late = await agent.caller.send(f"agents.prompt.open-agent.worker.{agent.session}", b"late")
        [error, end] = await late.rest()
        assert (error.error_code, error.json["error"]) == ("429", "overloaded")
        assert end.is_terminator
        agent.provider.will(*(fake.say(str(n)) for n in range(WAITING)))
        await agent.signal("interrupt")
        assert await chunks_of(running) == [ABORTED]
        assert [text_of(await stream.rest()) for stream in waiting] == [str(n) for n in range(WAITING)]

    @pytest.mark.slow
    async def test_silent_streams_are_kept_alive(self, agent: Agent) -> None:
        """Callers that give up after a silent minute hear from the agent before that, also while they wait."""
        running = await agent.hang()
        waiting = await agent.prompt("waiting")
        alive = {"type": "status", "data": "alive"}
        for _ in range(2):
            assert (await waiting.next(45)).json == alive
            assert (await running.next(45)).json == alive


class TestInterrupt:
    """The signal `interrupt` (contract, section 7)."""

    async def test_ends_the_turn_in_flight(self, agent: Agent) -> None:
        """`aborted`, then the terminator; the agent is ready for the next prompt."""
        stream = await agent.hang()
        await agent.signal("interrupt")
        assert await chunks_of(stream) == [ABORTED]
        agent.provider.will(fake.say("next"))
        assert text_of(await (await agent.prompt("next")).rest()) == "next"

    async def test_does_nothing_without_a_turn(self, agent: Agent) -> None:
        """Sent twice, before any prompt, it changes nothing."""
        await agent.signal("interrupt")
        await agent.signal("interrupt")
        agent.provider.will(fake.say("hello"))
        assert text_of(await (await agent.prompt("hello")).rest()) == "hello"


class TestRedirect:
    """The signal `redirect` (contract, section 7)."""

    async def test_runs_the_new_prompt_in_place_of_the_old(self, agent: Agent) -> None:
        """The old stream ends aborted; the new one is whole, on the subject that was named."""
        old = await agent.hang()
        agent.provider.will(fake.say("new"))
        new = await agent.caller.listen()
        await agent.redirect("new", new)
        assert await chunks_of(old) == [ABORTED]
        assert await chunks_of(new) == [ACK, {"type": "response", "data": "new"}]

    async def test_goes_before_what_waits(self, agent: Agent) -> None:
        """A redirect replaces the current turn; it does not queue."""
        await agent.hang()
        waiting = await agent.prompt("waiting")
        agent.provider.will(fake.say("new"), fake.say("waited"))
        new = await agent.caller.listen()
        await agent.redirect("new", new)
        assert text_of(await new.rest()) == "new"
        assert text_of(await waiting.rest()) == "waited"

    async def test_runs_without_a_turn_too(self, agent: Agent) -> None:
        """There is nothing to interrupt, and a prompt to run."""
        agent.provider.will(fake.say("new"))
        new = await agent.caller.listen()
        await agent.redirect("new", new)
        assert await chunks_of(new) == [ACK, {"type": "response", "data": "new"}]

    async def test_is_done_once(self, agent: Agent) -> None:
        """The same redirect delivered again runs nothing and adds nothing to its stream."""
        agent.provider.will(fake.say("new"))
        new = await agent.caller.listen()
        for _ in range(3):
            await agent.redirect("new", new)
        assert await chunks_of(new) == [ACK, {"type": "response", "data": "new"}]

    async def test_another_one_on_the_same_subject_replaces_it(self, agent: Agent) -> None:
        """The old turn has ended on that subject before the new one is acknowledged there."""
        stream = await agent.caller.listen()
        agent.provider.will(fake.hang("one"), fake.say("two"))
        await agent.redirect("one", stream)
        assert [(await stream.next()).json for _ in range(2)] == [ACK, {"type": "response", "data": "one"}]
        await agent.redirect("two", stream)
        [aborted, end] = await stream.rest()
        assert (aborted.json, end.is_terminator) == (ABORTED, True)
        assert await chunks_of(stream) == [ACK, {"type": "response", "data": "two"}]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"new",
            b"[]",
            b"null",
            b'{"reply": "_INBOX.a"}',
            b'{"prompt": "", "reply": "_INBOX.a"}',
            b'{"prompt": "new", "reply": "_INBOX.*"}',
            b'{"prompt": "new", "reply": "a b"}',
            b'{"prompt": "new", "reply": "$SYS.a"}',
            b"\xff",
        ],
    )
    async def test_a_malformed_one_leaves_the_turn_alone(self, agent: Agent, body: bytes) -> None:
        """Without a prompt and a subject to answer on, nothing is interrupted."""
        stream = await agent.hang()
        await agent.signal("redirect", body)
        assert await stream.silent()
        await agent.signal("interrupt")
        assert await chunks_of(stream) == [ABORTED]


async def test_unknown_verbs_are_ignored(agent: Agent) -> None:
    """Verbs of a later dispatcher disturb nothing."""
    stream = await agent.hang()
    for verb in ["pause", "Interrupt", "resume"]:
        await agent.signal(verb)
    assert await stream.silent()


async def test_an_abort_ends_every_stream(agent: Agent) -> None:
    """The turn in flight and those that wait end aborted, and the agent is gone."""
    running = await agent.hang()
    waiting = [await agent.prompt(f"waiting {n}") for n in range(3)]
    assert agent.abort() == [agent.session]
    for stream in [running, *waiting]:
        assert await chunks_of(stream) == [ABORTED]
    assert agent.session not in [s["metadata"]["session"] for s in await agent.caller.services()]


@pytest.fixture
async def fragile(provider: OpenRouter, tmp_path: Path) -> AsyncIterator[tuple[NatsServer, Agent]]:
    """Return a bus and a running agent, which a test may break; at the end its provider was asked rightly."""
    with (
        NatsServer(tmp_path / "nats") as bus,
        Workerd(tmp_path / "worker", variables(bus, provider)) as worker,
    ):
        async with Caller.connected(bus.url) as caller:
            agent = Agent("a", worker, caller, provider)
            agent.start()
            yield bus, agent
    provider.settle()


async def test_a_crash_in_a_turn_ends_its_streams(fragile: tuple[NatsServer, Agent]) -> None:
    """Once revived, the agent ends the open streams with an error, and remembers earlier turns."""
    _, agent = fragile
    agent.provider.will(fake.say("one"))
    await (await agent.prompt("first")).rest()
    streams = [await agent.hang(), await agent.prompt("waiting")]
    await noted()
    agent.worker.kill()
    agent.worker.start()
    for stream in streams:
        [error, end] = await stream.rest(40)
        assert (error.error_code, end.is_terminator) == ("500", True)
        assert "restarted" in error.headers["Nats-Service-Error"]
    agent.provider.settle()
    agent.provider.will(fake.say("again"))
    assert text_of(await (await agent.prompt("again")).rest()) == "again"
    texts = agent.provider.request().texts(User)
    assert [text for text in texts if text] == ["first", "again"]


async def test_an_abort_after_a_crash_ends_the_streams_too(fragile: tuple[NatsServer, Agent]) -> None:
    """The streams end even if the agent is not back on the bus yet."""
    _, agent = fragile
    streams = [await agent.hang(), await agent.prompt("waiting")]
    await noted()
    agent.worker.kill()
    agent.worker.start()
    assert agent.abort() == ["a"]
    for stream in streams:
        assert await chunks_of(stream) == [ABORTED]
    assert await agent.caller.services() == []


async def test_a_crash_ends_what_was_held_back(fragile: tuple[NatsServer, Agent]) -> None:
    """An answer that ended while the bus was away is lost with the Worker; its caller is told, once."""
    bus, agent = fragile
    released = threading.Event()
    agent.provider.will(fake.say_when(released, "before ", "meanwhile"))
    stream = await agent.prompt("go")
    assert text_of([await stream.next()]) == "before "
    bus.stop()
    released.set()
    await noted()
    agent.worker.kill()
    bus.start()
    agent.worker.start()
    [error, end] = await stream.rest(40)
    assert (error.error_code, end.is_terminator) == ("500", True)
    for _ in range(2):
        await noted()
        agent.worker.kill()
        agent.worker.start()
        while agent.state != "ready":
            await asyncio.sleep(0.1)
    assert await stream.silent(1)


@pytest.mark.parametrize("crashes", [False, True])
async def test_an_abort_while_the_bus_is_away_ends_the_streams_when_it_is_back(
    fragile: tuple[NatsServer, Agent], crashes: bool
) -> None:
    """The abort itself waits for no bus; a crash before it may have left the streams open."""
    bus, agent = fragile
    streams = [await agent.hang(), await agent.prompt("waiting")]
    await noted()
    if crashes:
        agent.worker.kill()
    bus.stop()
    if crashes:
        agent.worker.start()
    assert agent.abort() == ["a"]
    bus.start()
    for stream in streams:
        assert await chunks_of(stream) == [ABORTED]


async def test_a_crash_ends_only_what_was_open(fragile: tuple[NatsServer, Agent]) -> None:
    """A stream that had its terminator gets no second one."""
    _, agent = fragile
    agent.provider.will(fake.say("one"))
    stream = await agent.prompt("first")
    assert text_of(await stream.rest()) == "one"
    await noted()
    agent.worker.kill()
    agent.worker.start()
    with agent.worker.client() as http:
        assert http.post("/agent/a", json={"agent": "pi"}).status_code == 200
    assert await stream.silent()


async def test_an_abort_forgets_the_conversation(agent: Agent) -> None:
    """The next agent of the session knows nothing of the one before."""
    agent.provider.will(fake.say("one"), fake.say("two"))
    await (await agent.prompt("first")).rest()
    agent.provider.request()
    agent.abort()
    agent.start()
    await (await agent.prompt("second")).rest()
    assert agent.provider.request().texts(User) == ["second"]


async def test_the_subject_of_a_question_cannot_be_guessed(agent: Agent) -> None:
    """Neither the id that discovery shows nor an earlier question leads to the next: a stranger could answer it."""
    [instance] = [s["id"] for s in await agent.caller.services() if s["metadata"]["session"] == agent.session]
    known = [instance]
    for _ in range(3):
        _, subject = await agent.ask()
        inbox, _, rest = subject.partition(".")
        assert inbox == "_INBOX"
        assert len(rest) >= 22
        assert not [each for each in known if each[:8] == rest[:8]]
        known.append(rest)
        await agent.signal("interrupt")


async def test_a_finished_question_leaves_no_subscription(agent: Agent, bus: NatsServer) -> None:
    """Whether it was interrupted or answered."""
    stream, _ = await agent.ask()
    assert inboxes(bus, agent.session) == 1
    await agent.signal("interrupt")
    await stream.rest()
    assert inboxes(bus, agent.session) == 0
    stream, subject = await agent.ask()
    agent.provider.will(fake.say("thanks"))
    await agent.caller.nats.publish(subject, b"yes")
    await stream.rest()
    assert inboxes(bus, agent.session) == 0


def inboxes(bus: NatsServer, session: str) -> int:
    """Return how many inboxes an agent listens on; its connection has the name of the session or of a hub."""
    found = httpx.get(f"{bus.monitor_url}/connz?subs=1", trust_env=False).json()["connections"]
    ours = [one for one in found if one.get("name") == session or one.get("name", "").startswith("hub.")]
    lists = [connection["subscriptions_list"] for connection in ours]
    return sum(subject.startswith("_INBOX.") for subjects in lists for subject in subjects)


async def test_a_question_survives_a_new_connection(fragile: tuple[NatsServer, Agent]) -> None:
    """An answer that arrives after a reconnect is heard."""
    bus, agent = fragile
    stream, subject = await agent.ask()
    await renewed(bus, agent)
    agent.provider.will(fake.say("thanks"))
    async with Caller.connected(bus.url) as answering:
        await answering.nats.publish(subject, b"yes")
    assert text_of(await stream.rest(30)) == "thanks"


async def test_a_new_connection_loses_no_word(fragile: tuple[NatsServer, Agent]) -> None:
    """What is said while the bus is away is held back until its callers listen again, also on another connection."""
    bus, agent = fragile
    released = threading.Event()
    agent.provider.will(fake.say_when(released, "before ", "meanwhile"))
    stream = await agent.prompt("go")
    assert text_of([await stream.next()]) == "before "
    await renewed(bus, agent, released.set)
    assert text_of(await stream.rest(30)) == "meanwhile"


async def test_an_abort_sends_what_was_held_back(fragile: tuple[NatsServer, Agent]) -> None:
    """All that was said is on its way before the connection is closed."""
    bus, agent = fragile
    released = threading.Event()
    agent.provider.will(fake.say_when(released, "before ", "meanwhile " * 20_000))
    stream = await agent.prompt("go")
    assert text_of([await stream.next()]) == "before "
    await renewed(bus, agent, released.set)
    async with Caller.connected(bus.url) as listening:
        again = Stream(stream.subject, await listening.nats.subscribe(stream.subject))
        await listening.nats.flush()
        agent.abort()
        assert text_of(await again.rest()) == "meanwhile " * 20_000


async def noted() -> None:
    """Wait until the agent has written down which streams are open: 100 ms, and room for a busy machine."""
    await asyncio.sleep(0.5)


async def renewed(bus: NatsServer, agent: Agent, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Let the bus restart, and the agent find out on another connection than its old one."""
    bus.stop()
    meanwhile()
    while agent.state != "starting":
        await asyncio.sleep(0.05)
    # A look lets go of the old connection; the next one finds the new.
    await asyncio.sleep(0.5)
    bus.start()
    while agent.state == "starting":
        await asyncio.sleep(0.05)


async def test_a_restart_of_the_bus_loses_no_word(fragile: tuple[NatsServer, Agent]) -> None:
    """What the model says while the bus is away is held back and sent when it returns."""
    bus, agent = fragile
    released = threading.Event()
    agent.provider.will(fake.say_when(released, "before ", "meanwhile"))
    stream = await agent.prompt("go")
    assert text_of([await stream.next()]) == "before "
    bus.stop()
    released.set()
    await asyncio.sleep(0.5)
    bus.start()
    assert text_of(await stream.rest(30)) == "meanwhile"


async def test_a_frame_that_cannot_go_ends_its_own_stream(fragile: tuple[NatsServer, Agent]) -> None:
    """What is too large for the bus since its restart becomes an error; another stream has all of its words."""
    bus, agent = fragile
    released = threading.Event()
    agent.provider.will(fake.say_when(released, "before ", "x" * 200_000))
    agent.provider.will(fake.say("short"))
    large = await agent.prompt("large")
    assert text_of([await large.next()]) == "before "
    small = await agent.prompt("small")
    bus.stop()
    while agent.state != "starting":
        await asyncio.sleep(0.05)
    released.set()
    # Both turns end while the bus is away.
    await asyncio.sleep(2)
    bus.settings["max_payload"] = 65536
    bus.start()
    frames = await large.rest(30)
    assert [frame.error_code for frame in frames if frame.headers] == ["500"]
    assert text_of(await small.rest(30)) == "short"
