"""What waits is bounded in bytes: with the heap of an isolate, no prompter ends the process."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import openrouter as fake
from tests.support import web as fake_web
from tests.support.caller import Caller, Stream, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, variables
from tests.support.openrouter_request import ToolResult
from tests.support.web import Page
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

LARGE = 1_000_000
AGENTS = 4


@pytest.fixture
def provider() -> Iterator[OpenRouter]:
    """Return a running OpenRouter."""
    with fake.openrouter() as server:
        yield server


@pytest.fixture
def small(bus: NatsServer, provider: OpenRouter, tmp_path: Path) -> Iterator[Workerd]:
    """Return a Worker with the heap that Cloudflare gives an isolate."""
    with Workerd(tmp_path / "small", variables(bus, provider), heap_mb=128) as server:
        yield server


def start(worker: Workerd, session: str, agent: str) -> str:
    """Start an agent and return where it is prompted."""
    with worker.client() as client:
        subject: str = client.post(f"/agent/{session}", json={"agent": agent}).json()["subjects"]["prompt"]
    return subject


async def code_or_ack(stream: Stream) -> str:
    """Return what a prompt meets: an error code, or its acknowledgement."""
    frame = await stream.next(30)
    return frame.error_code or str(frame.json["data"])


async def test_prompts_that_wait_are_bounded(bus: NatsServer, small: Workerd, provider: OpenRouter) -> None:
    """Seventeen megabytes for each of four agents: some wait, the others get 429, and all agents live on."""
    released = threading.Event()
    subjects = [start(small, f"full-{n}", "pi") for n in range(AGENTS)]
    async with Caller.connected(bus.url) as caller:
        running = []
        for subject in subjects:
            provider.will(fake.say_when(released, "well", " done"))
            running.append(await caller.send(subject, b"go"))
            assert await code_or_ack(running[-1]) == "ack"
            assert text_of([await running[-1].next()]) == "well"
        streams: list[Stream] = []
        met: list[str] = []
        for _ in range(17):
            sent = [await caller.send(subject, b"x" * LARGE) for subject in subjects]
            met += [await code_or_ack(stream) for stream in sent]
            streams += sent
        assert set(met) == {"ack", "429"}
        assert met[:AGENTS] == ["ack"] * AGENTS
        for _ in range(met.count("ack")):
            provider.will(fake.say("short"))
        released.set()
        for stream, first in zip(streams, met, strict=True):
            frames = await stream.rest(60)
            assert first == "429" or text_of(frames) == "short"
        for subject in subjects:
            provider.will(fake.say("alive"))
            assert text_of(await caller.prompt(subject, "small")) == "alive"
    provider.settle()


async def test_redirects_are_bounded(bus: NatsServer, small: Workerd) -> None:
    """Two hundred megabytes of redirects: each is answered or refused, and the agent lives on."""
    subject = start(small, "steered", "echo")
    async with Caller.connected(bus.url) as caller:
        for number in range(200):
            stream = await caller.listen()
            body = json.dumps({"prompt": f"{number}" + "x" * LARGE, "reply": stream.subject}).encode()
            await caller.nats.publish("orch.signal.redirect.open-agent.worker.steered", body)
            # More at once would be a flood.
            if number % 2 == 0:
                await caller.nats.flush()
                frames = await stream.rest(60)
                assert text_of(frames).startswith(f"{number}x") or frames[-2].error_code == "429"
        assert text_of(await caller.prompt(subject, "alive")) == "alive"


async def test_an_answer_to_a_question_is_bounded(bus: NatsServer, small: Workerd, provider: OpenRouter) -> None:
    """As a prompt is: the model learns that there was no answer."""
    subject = start(small, "asking", "pi")
    provider.will(fake.call("ask_user_question", {"question": "Well?"}))
    provider.will(fake.say("never mind"))
    async with Caller.connected(bus.url) as caller:
        stream = await caller.send(subject, b"ask")
        chunk = (await stream.next()).json
        while chunk["type"] != "query":
            chunk = (await stream.next()).json
        await caller.nats.publish(chunk["data"]["reply_subject"], b"")
        assert text_of(await stream.rest()) == "never mind"


async def test_long_answers_are_bounded(bus: NatsServer, small: Workerd, provider: OpenRouter) -> None:
    """Eight models write fifty megabytes each, at once: each stream ends with an error, and all agents live on."""
    subjects = [start(small, f"long-winded-{n}", "pi") for n in range(8)]
    async with Caller.connected(bus.url) as caller:
        for _ in subjects:
            provider.will(fake.say(*["x" * 100_000] * 500))
        streams = [await caller.send(subject, b"go") for subject in subjects]
        for stream in streams:
            assert (await stream.rest(60))[-2].error_code == "429"
        for subject in subjects:
            provider.will(fake.say("alive"))
            assert text_of(await caller.prompt(subject, "small")) == "alive"


@pytest.mark.parametrize(
    ("endless", "code"),
    [
        (fake.endless("data: ", "x" * LARGE), "429"),
        (fake.endless("data: x\n", f"data: {'x' * 1000}\n" * 1000), "429"),
        (fake.endless('{"error": {"message": "', "x" * LARGE, status=400), "500"),
    ],
    ids=["line", "event", "error"],
)
async def test_what_a_provider_never_ends_is_bounded(
    bus: NatsServer, small: Workerd, provider: OpenRouter, endless: fake.Play, code: str
) -> None:
    """An event is kept until it is complete, and the body of an error is read as a whole."""
    subjects = [start(small, f"endless-{n}", "pi") for n in range(AGENTS)]
    async with Caller.connected(bus.url) as caller:
        provider.will(*[endless] * AGENTS)
        streams = [await caller.send(subject, b"go") for subject in subjects]
        for stream in streams:
            assert (await stream.rest(60))[-2].error_code == code
        for subject in subjects:
            provider.will(fake.say("alive"))
            assert text_of(await caller.prompt(subject, "small")) == "alive"


async def test_results_of_tools_are_bounded(bus: NatsServer, provider: OpenRouter, tmp_path: Path) -> None:
    """Long pages that many models read at once: each turn is answered, or told that it is too much."""
    pages = 18

    def read_on(handler: fake.Handler, request: fake.Request) -> None:
        read = len(request.texts(ToolResult))
        url = f"http://www.example.com/{read}"
        play = fake.say("read") if read == pages else fake.call("web_fetch", {"url": url}, call_id=f"call_{read}")
        play(handler, request)

    with fake_web.web() as web:
        page = Page("\u4e16".encode() * 60_000, "text/plain")
        web.pages |= {f"www.example.com/{number}": page for number in range(pages)}
        with Workerd(tmp_path / "reading", variables(bus, provider), heap_mb=128, web=web.port) as worker:
            subjects = [start(worker, f"reader-{number}", "pi") for number in range(24)]
            async with Caller.connected(bus.url) as caller:
                provider.will(*[read_on] * len(subjects) * (pages + 1))
                streams = [await caller.send(subject, b"read") for subject in subjects]
                for stream in streams:
                    frames = await stream.rest(60)
                    assert text_of(frames) == "read" or frames[-2].error_code == "429"


async def test_answers_to_discovery_are_bounded(bus: NatsServer, small: Workerd) -> None:
    """Six megabytes of labels, asked for fifty times at once: the answers wait for the network, or there are none."""
    labels = {f"label-{number}": "x" * 1000 for number in range(60)}
    with small.client() as client:
        for number in range(100):
            assert client.post(f"/agent/labelled-{number}", json={"labels": labels}).status_code == 201
    async with Caller.connected(bus.url) as asker:
        for _ in range(50):
            await asker.nats.publish("$SRV.INFO.agents", b"", reply="nobody")
        await asker.nats.flush()
    async with Caller.connected(bus.url) as caller:
        while len(await caller.services()) < 100:
            await asyncio.sleep(0.5)


async def test_an_answer_that_cannot_be_remembered_costs_no_later_turn(
    bus: NatsServer, small: Workerd, provider: OpenRouter
) -> None:
    """A message may be larger than the database accepts; then the next turn begins without a history."""
    subject = start(small, "verbose", "pi")
    long = "\u4e16" * 1_500_000
    async with Caller.connected(bus.url) as caller:
        provider.will(fake.say(*[long[:100_000]] * 15))
        assert text_of(await (await caller.send(subject, b"go")).rest(60)) == long
        provider.will(fake.say("alive"))
        assert text_of(await caller.prompt(subject, "again")) == "alive"


async def test_a_long_history_costs_what_a_turn_is_given(bus: NatsServer, small: Workerd, provider: OpenRouter) -> None:
    """Messages beyond what a model is sent are neither read nor kept."""
    subject = start(small, "long", "pi")
    async with Caller.connected(bus.url) as caller:
        for number in range(12):
            provider.will(fake.say("noted"))
            assert text_of(await caller.prompt(subject, f"{number}" + "x" * 90_000)) == "noted"
        await asyncio.sleep(1)
    [[kept]] = small.stored("AgentSession", "SELECT count(*) FROM message WHERE role = 'user'")
    assert kept == 2
    provider.settle()
