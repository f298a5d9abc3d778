"""The Worker's echo beside an echo on `synadia-ai-agent-service`, on one bus in one run; memory per session.

Run by `make bench-worker`. A ratio below 1 means that ours is the faster one.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import nats
from synadia_ai.agent_service import AgentService, PromptStream
from synadia_ai.agents import Envelope

from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.process import Process
from tests.support.workerd import ROOT, Workerd

ROUNDS = 500
SESSIONS = 100
PEER_SUBJECT = "agents.prompt.peer.bench.echo"


@dataclass
class Times:
    """Medians in milliseconds."""

    ack: float
    terminator: float


async def measure(caller: Caller, subject: str) -> tuple[float, float]:
    """Send one prompt; return the seconds to the ack and to the terminator."""
    stream = await caller.listen()
    begin = time.perf_counter()
    await caller.nats.publish(subject, b"hello", reply=stream.subject)
    await stream.next()
    ack = time.perf_counter() - begin
    await stream.rest()
    return ack, time.perf_counter() - begin


async def compare(url: str, ours: str, theirs: str) -> tuple[Times, Times]:
    """Prompt both in turn, so that whatever else the machine does hits both."""
    samples: dict[str, list[tuple[float, float]]] = {ours: [], theirs: []}
    async with Caller.connected(url) as caller:
        for number in range(ROUNDS + 20):
            for subject, kept in samples.items():
                sample = await measure(caller, subject)
                # The first rounds warm both up.
                if number >= 20:
                    kept.append(sample)
    return medians(samples[ours]), medians(samples[theirs])


def medians(samples: list[tuple[float, float]]) -> Times:
    """Return the medians of the two columns, in milliseconds."""
    acks, terminators = zip(*samples, strict=True)
    return Times(statistics.median(acks) * 1000, statistics.median(terminators) * 1000)


async def serve_peer(url: str) -> None:
    """Be the peer: an echo on the protocol's own host library, until the process ends."""

    async def echo(envelope: Envelope, stream: PromptStream) -> None:
        await stream.send(envelope.prompt)

    connection = await nats.connect(url)
    service = AgentService(agent="peer", owner="bench", session_name="echo", nc=connection)
    service.on_prompt(echo)
    await service.start()
    await asyncio.Event().wait()


async def peer_answers(url: str) -> None:
    """Wait until the peer is registered."""
    async with Caller.connected(url) as caller:
        while "peer" not in [service["metadata"]["agent"] for service in await caller.services()]:
            await asyncio.sleep(0.05)


def memory_of(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def start_sessions(client: httpx.Client) -> None:
    """Start many agents, one after the other."""
    for number in range(SESSIONS):
        client.post(f"/agent/bench-{number}").raise_for_status()


def report(ours: Times, theirs: Times, before: float, after: float) -> str:
    """Return the figures as text."""
    rows = [("prompt to ack", ours.ack, theirs.ack)]
    rows += [("prompt to terminator", ours.terminator, theirs.terminator)]
    lines = [f"{'median of ' + str(ROUNDS):22} {'ours ms':>8} {'peer ms':>8} {'ratio':>6}"]
    lines += [f"{name:22} {a:8.2f} {b:8.2f} {a / b:6.2f}" for name, a, b in rows]
    each = (after - before) / SESSIONS * 1024
    lines += [f"memory: {before:.0f} MiB with one session, {each:.0f} KiB for each further one"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the comparison and print it."""
    with tempfile.TemporaryDirectory() as name, NatsServer(Path(name, "nats")) as bus:
        argv = [sys.executable, "-m", "tests.conformance.bench", bus.url]
        peer = Process(argv, Path(name, "peer.log"), cwd=ROOT)
        try:
            asyncio.run(asyncio.wait_for(peer_answers(bus.url), 20))
            variables = {"NATS_WS_URL": bus.ws_url}
            with Workerd(Path(name, "worker"), variables) as worker, worker.client() as client:
                subject = client.post("/agent/echo").json()["subjects"]["prompt"]
                ours, theirs = asyncio.run(compare(bus.url, subject, PEER_SUBJECT))
                before = memory_of(worker.process.pid)
                start_sessions(client)
                after = memory_of(worker.process.pid)
        finally:
            peer.stop()
    sys.stdout.write(report(ours, theirs, before, after))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(serve_peer(sys.argv[1]))
    else:
        main()
