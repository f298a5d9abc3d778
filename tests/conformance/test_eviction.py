"""Nothing keeps a session's object in memory after its turn: that it costs nothing then is what a hub is for."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support import openrouter as fake
from tests.support.caller import Caller, Stream, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, Play, variables
from tests.support.workerd import Workerd

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# workerd evicts an object ten seconds after the last thing that happens in it.
EVICTED_S = 15

# A bundle that logs each life of a session's object.
COUNTING = """\
export { default, Hub, Registry } from "bundle.js";
import { AgentSession as Good } from "bundle.js";
export class AgentSession extends Good {
  constructor(ctx, env) { super(ctx, env); console.log("a life of " + ctx.id.name); }
}
"""


async def finished(stream: Stream, _: Caller) -> None:
    """Wait for the end."""
    await stream.rest()


async def interrupted(stream: Stream, caller: Caller) -> None:
    """Interrupt the turn once it has begun."""
    while b"well" not in (await stream.next()).data:
        pass
    await caller.nats.publish("orch.signal.interrupt.open-agent.worker.turn", b"")
    await stream.rest()


async def answered(stream: Stream, caller: Caller) -> None:
    """Answer the question."""
    while (chunk := (await stream.next()).json)["type"] != "query":
        pass
    await caller.nats.publish(chunk["data"]["reply_subject"], b"yes")
    await stream.rest()


QUESTION = fake.call("ask_user_question", {"question": "Well?"})
TURNS: dict[str, tuple[list[Play], Callable[[Stream, Caller], Awaitable[None]]]] = {
    "answer": ([fake.say("yes")], finished),
    "question": ([QUESTION, fake.say("yes")], answered),
    "interrupt": ([fake.say_when(threading.Event(), "well", "never")], interrupted),
    "interrupted question": ([fake.call("ask_user_question", {"question": "well"})], interrupted),
    "refusal": ([fake.fail(401)], finished),
    "too long an answer": ([fake.say(*["x" * 100_000] * 50)], finished),
    "end in the middle": ([fake.break_off("well")], finished),
    "fetch": ([fake.call("web_fetch", {"url": "http://a.invalid/"}), fake.say("yes")], finished),
}


@pytest.mark.parametrize("kind", [*TURNS, "echo"])
async def test_a_session_is_evicted_after_a_turn(tmp_path: Path, kind: str) -> None:
    """No timer, no call and no connection of a turn outlives it."""
    plays, until_end = TURNS.get(kind, ([], finished))
    with fake.openrouter() as provider, NatsServer(tmp_path / "nats") as bus:
        worker = Workerd(tmp_path / "worker", {**variables(bus, provider), "AGENTS_PER_HUB": "10"})
        worker.patch = COUNTING
        with worker:
            with worker.client() as client:
                agent = {"agent": "echo" if kind == "echo" else "pi"}
                subject = client.post("/agent/turn", json=agent).json()["subjects"]["prompt"]
            async with Caller.connected(bus.url) as caller:
                provider.will(*plays)
                await until_end(await caller.send(subject, b"go"), caller)
                await evicted(worker, provider, caller, subject, kind == "echo")


async def evicted(worker: Workerd, provider: OpenRouter, caller: Caller, subject: str, is_echo: bool) -> None:
    """Prompt once more after a while: another life of the object answers."""
    lives = worker.log.count("a life of turn")
    await asyncio.sleep(EVICTED_S)
    if not is_echo:
        provider.will(fake.say("again"))
    assert text_of(await caller.prompt(subject, "again")) == "again"
    assert worker.log.count("a life of turn") == lives + 1
