"""Random faults, one rule: what was acknowledged ends once, what should live answers, what was aborted does not.

usage: python -m tests.conformance.soak [--minutes N] [--seed N] [--agents-per-hub N] [--older BUNDLE]

Prints counts, and the seed that repeats the order of the faults. Exits 1 if the rule was broken.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import nats.errors

from tests.conformance.test_hub import FRAGILE
from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.proxy import Proxy
from tests.support.workerd import BUNDLE, Workerd

SESSIONS = [f"soak-{number}" for number in range(12)]
# Longest wait for an agent to answer again, whatever happened to it: two alarms, and a busy machine.
REVIVAL_S = 90
# Longest wait for the end of an acknowledged stream.
END_S = 90
# What begins so shortly before a fault may be lost with it: it was not written down yet, or not delivered.
MARGIN_S = 3.0


class Soak:
    """One run."""

    def __init__(self, bus: NatsServer, path: Proxy, worker: Workerd, seed: int, older: Path | None) -> None:
        """Use servers that run already."""
        self.bus = bus
        self.path = path
        self.worker = worker
        self.older = older
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self.alive: set[str] = set()
        self.faults: list[float] = []
        """When something happened that may lose a message."""
        self.streams: set[asyncio.Task[None]] = set()
        self.caller: Caller

    def hurt(self) -> None:
        """Note a fault."""
        self.faults.append(time.monotonic())

    def excused(self, begin: float, end: float) -> bool:
        """Tell whether a fault may have cost a message between two times."""
        return any(begin - MARGIN_S <= fault <= end + MARGIN_S for fault in self.faults)

    async def post(self, path: str) -> int | None:
        """Post to the Worker; None when it cannot be reached."""
        try:
            async with httpx.AsyncClient(base_url=self.worker.url, timeout=60, trust_env=False) as client:
                return (await client.post(path)).status_code
        except httpx.HTTPError:
            return None

    async def start(self) -> None:
        """Start an agent."""
        session = self.random.choice(SESSIONS)
        status = await self.post(f"/agent/{session}")
        self.counts[f"start {status}"] += 1
        if status in (200, 201):
            self.alive.add(session)

    async def abort(self) -> None:
        """Abort an agent, and see that it does not answer."""
        session = self.random.choice(SESSIONS)
        status = await self.post(f"/control/abort/{session}")
        self.counts[f"abort {status}"] += 1
        if status != 200:
            return
        self.alive.discard(session)
        begin = time.monotonic()
        if await self.answers(session, 1.0) and not self.excused(begin - 30, time.monotonic()):
            self.broken.append(f"{session} answered after its abort")

    async def answers(self, session: str, limit_s: float) -> bool:
        """Tell whether an agent answers a prompt in time."""
        with suppress(TimeoutError, nats.errors.Error):
            stream = await self.caller.send(f"agents.prompt.open-agent.worker.{session}", b"there?")
            deadline = time.monotonic() + limit_s
            while (left := deadline - time.monotonic()) > 0:
                frame = await stream.next(left)
                if b"there?" in frame.data:
                    return True
                if frame.headers:
                    return False
        return False

    async def prompt(self, size: int = 20, verb: str | None = None) -> None:
        """Send a prompt or a redirect, and watch its stream in the background."""
        session = self.random.choice(SESSIONS)
        with suppress(nats.errors.Error, TimeoutError):
            stream = await self.caller.listen()
            subject, body = f"agents.prompt.open-agent.worker.{session}", b"x" * size
            if verb:
                subject = f"orch.signal.{verb}.open-agent.worker.{session}"
                body = json.dumps({"prompt": "y" * size, "reply": stream.subject}).encode()
            await self.caller.nats.publish(subject, body, reply="" if verb else stream.subject)
            task = asyncio.create_task(self.watch(stream, session, time.monotonic()))
            self.streams.add(task)
            task.add_done_callback(self.streams.discard)

    async def watch(self, stream: object, session: str, begin: float) -> None:
        """See that an acknowledged stream ends, once."""
        ends, acknowledged = 0, False
        with suppress(TimeoutError, nats.errors.Error):
            while True:
                frame = await stream.next(2.0 if ends else END_S)  # type: ignore[attr-defined]
                if frame.headers.get("Status") == "503":
                    self.counts["nobody listens"] += 1
                    return
                acknowledged = acknowledged or b'"ack"' in frame.data
                ends += frame.is_terminator
        now = time.monotonic()
        self.counts["acknowledged" if acknowledged else "not acknowledged"] += 1
        if ends > 1 and not self.excused(begin, now):
            self.broken.append(f"a stream of {session} ended {ends} times")
        if acknowledged and ends == 0:
            if self.excused(begin, begin + END_S):
                self.counts["ends lost with a fault"] += 1
            else:
                self.broken.append(f"a stream of {session} did not end")

    async def flood(self) -> None:
        """Send much at once."""
        for _ in range(20):
            await self.prompt(300_000)

    async def restart_bus(self, narrowed: bool = False) -> None:
        """Stop the bus and start it again, perhaps with a lower limit."""
        self.hurt()
        self.bus.stop()
        self.bus.settings["max_payload"] = 262_144 if narrowed else 1_048_576
        await asyncio.sleep(self.random.random() * 3)
        self.bus.start()
        self.hurt()

    async def freeze_bus(self) -> None:
        """Keep the bus from answering for a while."""
        self.hurt()
        self.bus.freeze()
        await asyncio.sleep(self.random.random() * 8)
        self.bus.thaw()
        self.hurt()

    async def break_path(self) -> None:
        """Let the network path swallow everything, or say nothing for a while."""
        self.hurt()
        if self.random.random() < 0.5:
            self.path.black_hole()
        else:
            self.path.mute()
            await asyncio.sleep(self.random.random() * 8)
            self.path.heal()
        self.hurt()

    async def crash(self) -> None:
        """Kill one object."""
        self.hurt()
        spaces = [("SESSIONS", self.random.choice(SESSIONS)), ("REGISTRY", "registry"), ("HUBS", "hub.0")]
        space, name = self.random.choice(spaces)
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
                await client.get(f"{self.worker.url}/crash/{space}/{name}")

    async def kill_worker(self) -> None:
        """Kill workerd, and deploy another bundle or the same."""
        self.hurt()
        self.worker.kill()
        self.worker.bundle = self.random.choice([BUNDLE, self.older or BUNDLE])
        self.worker.patch = FRAGILE if self.worker.bundle == BUNDLE else ""
        self.worker.start()
        self.hurt()

    async def settle(self) -> None:
        """See that whatever should live answers."""
        for session in sorted(self.alive):
            deadline = time.monotonic() + REVIVAL_S
            while not await self.answers(session, 5):
                if time.monotonic() > deadline:
                    self.broken.append(f"{session} did not come back")
                    self.alive.discard(session)
                    break
                await asyncio.sleep(0.5)
        self.counts["all answered"] += 1

    async def run(self, minutes: float) -> None:
        """Do one thing after the other."""
        calm: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (40, self.prompt),
            (6, self.start),
            (3, self.abort),
            (4, lambda: self.prompt(2000, "redirect")),
            (2, lambda: self.prompt(2, "interrupt")),
            (1, self.flood),
        ]
        faults: list[Callable[[], Awaitable[None]]] = [
            self.restart_bus,
            lambda: self.restart_bus(narrowed=True),
            self.freeze_bus,
            self.break_path,
            self.crash,
            self.crash,
            self.kill_worker,
        ]
        deadline = time.monotonic() + minutes * 60
        while time.monotonic() < deadline:
            for _ in range(self.random.randrange(20, 60)):
                [act] = self.random.choices([act for _, act in calm], [weight for weight, _ in calm])
                await act()
                await asyncio.sleep(0.02)
            fault = self.random.choice(faults)
            self.counts["faults"] += 1
            await fault()
            if self.random.random() < 0.3:
                await self.settle()
        await self.settle()
        await asyncio.gather(*self.streams)


async def soak(options: argparse.Namespace) -> Soak:
    """Set up the servers and run."""
    with tempfile.TemporaryDirectory() as name, NatsServer(Path(name, "nats")) as bus, Proxy(bus.ws_port) as path:
        variables = {"NATS_WS_URL": f"ws://127.0.0.1:{path.port}", "AGENTS_PER_HUB": str(options.agents_per_hub)}
        worker = Workerd(Path(name, "worker"), variables)
        worker.patch = FRAGILE
        with worker:
            run = Soak(bus, path, worker, options.seed, options.older)
            async with Caller.connected(bus.url) as run.caller:
                await run.run(options.minutes)
            if run.broken:
                sys.stdout.write(worker.log[-4000:])
    return run


def main() -> int:
    """Run, and print what happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--agents-per-hub", type=int, default=1)
    parser.add_argument("--older", type=Path)
    options = parser.parse_args()
    # The caller loses its connection with every restart of the bus.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    run = asyncio.run(soak(options))
    for what, count in sorted(run.counts.items()):
        sys.stdout.write(f"{what:24} {count}\n")
    sys.stdout.write(f"seed {options.seed}, AGENTS_PER_HUB {options.agents_per_hub}: {len(run.broken)} broken\n")
    for broken in run.broken:
        sys.stdout.write(f"  {broken}\n")
    return bool(run.broken)


if __name__ == "__main__":
    sys.exit(main())
