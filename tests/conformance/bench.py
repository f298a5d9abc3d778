"""The Worker in both modes beside an echo on `synadia-ai-agent-service`, on one bus in one run.

usage: python -m tests.conformance.bench [--agents N] [--before BUNDLE]

Run by `make bench-worker`. Latencies are ratios to the peer: below 1, ours is the faster one. Each round prompts all in
turn, in a random order; the lower quartiles are what a machine shows that others also use. `--before` adds a bundle to
compare with, such as that of the commit before. Exits 1 if a bar is missed.
"""

import argparse
import asyncio
import random
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
from tests.support.workerd import BUNDLE, ROOT, Workerd

ROUNDS = 500
WARM_UP = 50
PROMPTED = 50
SEATS = 250
PEER_SUBJECT = "agents.prompt.peer.bench.echo"
# Two runs of the same bundle differ by as much.
TOLERANCE = 0.05


@dataclass
class Times:
    """Of many prompts, the medians and lower quartiles in milliseconds, each to the ack and to the terminator."""

    medians: tuple[float, float]
    quartiles: tuple[float, float]


async def measure(caller: Caller, subject: str) -> tuple[float, float]:
    """Send one prompt; return the seconds to the ack and to the terminator."""
    stream = await caller.listen()
    begin = time.perf_counter()
    await caller.nats.publish(subject, b"hello", reply=stream.subject)
    await stream.next()
    ack = time.perf_counter() - begin
    await stream.rest()
    end = time.perf_counter() - begin
    await stream.close()
    return ack, end


async def compare(url: str, subjects: dict[str, str]) -> dict[str, Times]:
    """Prompt all in turn, so that whatever else the machine does hits all."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
    async with Caller.connected(url) as caller:
        for number in range(ROUNDS + WARM_UP):
            for name in random.sample(list(subjects), len(subjects)):
                sample = await measure(caller, subjects[name])
                if number >= WARM_UP:
                    samples[name].append(sample)
    return {name: times_of(each) for name, each in samples.items()}


def times_of(samples: list[tuple[float, float]]) -> Times:
    """Summarize the seconds to the ack and to the terminator."""
    ack, terminator = (statistics.quantiles(column, n=4) for column in zip(*samples, strict=True))
    return Times((ack[1] * 1000, terminator[1] * 1000), (ack[0] * 1000, terminator[0] * 1000))


async def throughput(url: str, subjects: list[str]) -> float:
    """Return the prompts in a second, with one in flight for each agent."""
    rounds = 10

    async def one(caller: Caller, subject: str) -> None:
        for _ in range(rounds):
            await caller.prompt(subject, "hello")

    async with Caller.connected(url) as caller:
        begin = time.perf_counter()
        await asyncio.gather(*(one(caller, subject) for subject in subjects))
        return rounds * len(subjects) / (time.perf_counter() - begin)


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
    """Return the resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


def written_by(pid: int) -> int:
    """Return the bytes that a process has written to disk."""
    [line] = [line for line in Path(f"/proc/{pid}/io").read_text().splitlines() if line.startswith("write_bytes:")]
    return int(line.split()[1])


async def start_all(worker: Workerd, sessions: list[str]) -> float:
    """Start agents, sixteen at once; return how many in a second."""
    waiting = asyncio.Semaphore(16)

    async def start(client: httpx.AsyncClient, session: str) -> None:
        async with waiting:
            (await client.post(f"/agent/{session}")).raise_for_status()

    begin = time.perf_counter()
    async with httpx.AsyncClient(base_url=worker.url, timeout=120, trust_env=False) as client:
        await asyncio.gather(*(start(client, session) for session in sessions))
    return len(sessions) / (time.perf_counter() - begin)


async def all_answer(url: str, count: int) -> float:
    """Return the seconds until so many agents answer a PING."""
    begin = time.perf_counter()
    async with Caller.connected(url) as caller:
        while True:
            stream = await caller.listen()
            await caller.nats.publish("$SRV.PING.agents", b"", reply=stream.subject)
            found: set[str] = set()
            try:
                while len(found) < count:
                    frame = await stream.next(0.5)
                    if frame.data:
                        found.add(frame.json["metadata"]["session"])
            except TimeoutError:
                continue
            return time.perf_counter() - begin


def monitored(bus: NatsServer, page: str, field: str) -> int:
    """Return a number that the bus tells of itself."""
    number: int = httpx.get(f"{bus.monitor_url}/{page}", trust_env=False).json()[field]
    return number


@dataclass
class Crowd:
    """What many idle agents cost."""

    starts: float
    connections: int
    subscriptions: int
    after_kill_s: float
    kib_each: float
    after_bus_s: float
    idle_bytes: float
    list_ms: float


async def crowd(bus: NatsServer, worker: Workerd, count: int) -> Crowd:
    """Start many agents on a bus of their own, and break what can be broken."""
    before = monitored(bus, "varz", "connections"), monitored(bus, "subsz", "num_subscriptions")
    empty = memory_of(worker.process.pid)
    starts = await start_all(worker, [f"crowd-{number}" for number in range(count)])
    connections = monitored(bus, "varz", "connections") - before[0]
    subscriptions = monitored(bus, "subsz", "num_subscriptions") - before[1]
    worker.kill()
    worker.start()
    after_kill_s = await all_answer(bus.url, count)
    await asyncio.sleep(5)
    kib_each = (memory_of(worker.process.pid) - empty) / count
    written = written_by(worker.process.pid)
    await asyncio.sleep(20)
    idle_bytes = (written_by(worker.process.pid) - written) / 20
    bus.stop()
    bus.start()
    after_bus_s = await all_answer(bus.url, count)
    list_ms = median_of_lists(worker)
    return Crowd(starts, connections, subscriptions, after_kill_s, kib_each, after_bus_s, idle_bytes, list_ms)


def median_of_lists(worker: Workerd) -> float:
    """Return how long the list of all agents takes, in milliseconds; 0 for a bundle that has none."""
    samples: list[float] = []
    with worker.client() as client:
        for _ in range(50):
            begin = time.perf_counter()
            if not client.get("/agents").is_success:
                return 0
            samples.append(time.perf_counter() - begin)
    return statistics.median(samples) * 1000


async def latencies(home: Path, modes: dict[str, tuple[Path, dict[str, str]]]) -> dict[str, tuple[Times, float]]:
    """Compare all modes and the peer on one bus."""
    with NatsServer(home / "nats") as bus:
        peer = Process(
            [sys.executable, "-m", "tests.conformance.bench", "--peer", bus.url], home / "peer.log", cwd=ROOT
        )
        try:
            await asyncio.wait_for(peer_answers(bus.url), 20)
            workers = {
                name: Workerd(home / name, {"NATS_WS_URL": bus.ws_url, **variables}, bundle=bundle)
                for name, (bundle, variables) in modes.items()
            }
            for worker in workers.values():
                worker.start()
            try:
                subjects = {"peer": PEER_SUBJECT}
                rates = {"peer": 0.0}
                for name, worker in workers.items():
                    sessions = [f"{name}-{number}" for number in range(PROMPTED)]
                    await start_all(worker, sessions)
                    subjects[name] = f"agents.prompt.open-agent.worker.{sessions[0]}"
                times = await compare(bus.url, subjects)
                for name in modes:
                    many = [f"agents.prompt.open-agent.worker.{name}-{number}" for number in range(PROMPTED)]
                    rates[name] = statistics.median([await throughput(bus.url, many) for _ in range(3)])
            finally:
                for worker in workers.values():
                    worker.stop()
        finally:
            peer.stop()
    return {name: (times[name], rates[name]) for name in times}


def ratios(times: Times, to: Times) -> tuple[float, float]:
    """Compare the lower quartiles to the ack and to the terminator."""
    return times.quartiles[0] / to.quartiles[0], times.quartiles[1] / to.quartiles[1]


def report(figures: dict[str, tuple[Times, float]], crowds: dict[str, Crowd]) -> str:
    """Return the figures as text."""
    peer, _ = figures["peer"]
    columns = [f"{what} {unit}" for what in ("ack", "end") for unit in ("q25", "q50", "ratio")]
    lines = [f"{'ms':10} " + " ".join(f"{column:>9}" for column in columns) + f" {'prompts/s':>10}"]
    for name, (times, rate) in figures.items():
        row = [
            figure
            for quartile, median, ratio in zip(times.quartiles, times.medians, ratios(times, peer), strict=True)
            for figure in (quartile, median, ratio)
        ]
        lines.append(f"{name:10} " + " ".join(f"{figure:9.2f}" for figure in row) + (f" {rate:10.0f}" if rate else ""))
    lines.append("")
    lines.append(
        f"{'':10} {'starts/s':>8} {'connections':>11} {'subscriptions':>13} {'back after kill s':>17} "
        f"{'KiB each':>8} {'after bus s':>11} {'idle B/s':>9} {'list ms':>8}"
    )
    lines += [
        f"{name:10} {one.starts:8.0f} {one.connections:11} {one.subscriptions:13} {one.after_kill_s:17.1f} "
        f"{one.kib_each:8.0f} {one.after_bus_s:11.1f} {one.idle_bytes:9.0f} {one.list_ms:8.1f}"
        for name, one in crowds.items()
    ]
    return "\n".join(lines) + "\n"


def missed(figures: dict[str, tuple[Times, float]], hub: Crowd, count: int) -> list[str]:
    """Return the bars that are missed."""
    most = -(-count // SEATS) + 1
    ack, end = ratios(figures["own"][0], figures["peer"][0])
    bars = [
        (ack <= 1.0 + TOLERANCE, f"own connections: ack {ack:.2f} times the peer's, at most 1.0"),
        (end <= 1.1 + TOLERANCE, f"own connections: terminator {end:.2f} times the peer's, at most 1.1"),
        (hub.connections <= most, f"{hub.connections} connections, at most {most}"),
        (hub.after_kill_s <= 6, f"back after {hub.after_kill_s:.1f} s, at most 6"),
        (hub.kib_each <= 60, f"{hub.kib_each:.0f} KiB each, at most 60"),
        (hub.list_ms <= 100, f"the list takes {hub.list_ms:.0f} ms, at most 100"),
    ]
    if "before" in figures:
        _, ratio = ratios(figures["hub"][0], figures["before"][0])
        bars.append((ratio <= 1.5, f"terminator {ratio:.2f} times that of the bundle before, at most 1.5"))
    return [text for held, text in bars if not held]


async def bench(count: int, before: Path | None) -> int:
    """Measure, print, and return the exit code."""
    hubs = {"AGENTS_PER_HUB": str(SEATS)}
    modes = {"own": (BUNDLE, {"AGENTS_PER_HUB": "1"}), "hub": (BUNDLE, hubs)}
    if before:
        modes = {"before": (before, {}), **modes}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        figures = await latencies(home / "latencies", modes)
        crowds = {}
        for mode, (bundle, variables) in modes.items():
            with (
                NatsServer(home / f"bus-{mode}") as bus,
                Workerd(home / f"crowd-{mode}", {"NATS_WS_URL": bus.ws_url, **variables}, bundle=bundle) as worker,
            ):
                crowds[mode] = await crowd(bus, worker, count)
    sys.stdout.write(report(figures, crowds))
    failed = missed(figures, crowds["hub"], count)
    for bar in failed:
        sys.stdout.write(f"bar missed: {bar}\n")
    return bool(failed)


def main() -> int:
    """Run the comparison, or be the peer in it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=1001)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        asyncio.run(serve_peer(options.peer))
        return 0
    return asyncio.run(bench(options.agents, options.before))


if __name__ == "__main__":
    sys.exit(main())
