"""A flood of one agent ends at the bus: its neighbours answer, on the same connection, and so does it afterwards."""

import asyncio
import time
from itertools import count

import httpx
import pytest

from tests.conformance.floods import FLOODS, NEIGHBOURS, VICTIM, prompt_of
from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

LIMIT_S = 30
MESSAGES = {"large": 60, "large redirects": 40}


@pytest.fixture(scope="module")
def agents(worker: Workerd) -> Workerd:
    """Return a Worker with the agent to be flooded and its neighbours."""
    with worker.client() as client:
        for session in [VICTIM, *NEIGHBOURS]:
            assert client.post(f"/agent/{session}").status_code == 201
    return worker


def connections(bus: NatsServer) -> list[int]:
    """Return the ids of the connections by WebSocket, which are the Worker's."""
    found = httpx.get(f"{bus.monitor_url}/connz", trust_env=False).json()["connections"]
    return sorted(one["cid"] for one in found if one.get("type") == "websocket")


async def answers(caller: Caller, session: str) -> None:
    """Wait until an agent answers: a flooded one does not listen for seconds."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        frames = await caller.prompt_or_refusal(prompt_of(session), b"still there")
        if frames and text_of(frames) == "still there":
            return
        assert time.monotonic() < deadline, f"{session} does not answer"
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize("kind", ["small", "from 500 callers", "without reply", "large", "large redirects"])
async def test_neighbours_answer_in_a_flood(bus: NatsServer, kind: str) -> None:
    """Nothing of theirs is lost, and the flooded agent is back when it is over."""
    before = connections(bus)
    async with Caller.connected(bus.url) as flooder, Caller.connected(bus.url) as caller:
        flooded = asyncio.create_task(send(flooder, kind, MESSAGES.get(kind, 5_000)))
        for number in count():
            neighbour = NEIGHBOURS[number % len(NEIGHBOURS)]
            assert text_of(await caller.prompt(prompt_of(neighbour), f"{number}")) == f"{number}"
            if flooded.done() and number >= len(NEIGHBOURS):
                break
        await flooded
        await answers(caller, VICTIM)
    assert connections(bus) == before


async def send(caller: Caller, kind: str, messages: int) -> None:
    """Send messages of a flood at once."""
    for number in range(messages):
        subject, reply, payload = FLOODS[kind].message(number)
        await caller.nats.publish(subject, payload, reply=reply)
    await caller.nats.flush()


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("small", prompt_of(VICTIM)),
        ("interrupts", f"orch.signal.*.open-agent.worker.{VICTIM}"),
        ("redirects", f"orch.signal.*.open-agent.worker.{VICTIM}"),
        ("status", f"agents.status.open-agent.worker.{VICTIM}"),
        ("discovery", "$SRV.INFO.agents"),
    ],
)
async def test_a_flooded_subscription_is_suspended(agents: Workerd, bus: NatsServer, kind: str, subject: str) -> None:
    """The log says which, and the agent can be found and prompted when the flood is over."""
    async with Caller.connected(bus.url) as caller:
        begin = agents.log.count(f'"flooded","subject":"{subject}"')
        deadline = time.monotonic() + LIMIT_S
        while agents.log.count(f'"flooded","subject":"{subject}"') == begin:
            assert time.monotonic() < deadline, "nothing is suspended"
            await send(caller, kind, 5_000)
        for session in [VICTIM, *NEIGHBOURS]:
            await answers(caller, session)
        while {service["metadata"]["session"] for service in await caller.services()} != {VICTIM, *NEIGHBOURS}:
            assert time.monotonic() < deadline + LIMIT_S, "an agent is not found"


@pytest.mark.usefixtures("agents")
async def test_each_of_many_prompts_at_once_meets_an_answer(bus: NatsServer) -> None:
    """Accepted, refused, or told that nobody listens."""
    async with Caller.connected(bus.url) as caller:
        await answers(caller, VICTIM)
        streams = [await caller.listen() for _ in range(400)]
        for stream in streams:
            await caller.nats.publish(prompt_of(VICTIM), b"hello", reply=stream.subject)
        met = [(await stream.next(LIMIT_S)) for stream in streams]
        assert {frame.error_code or frame.json["data"] for frame in met} == {"ack", "429"}
