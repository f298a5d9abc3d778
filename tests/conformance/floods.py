"""What a flood of one agent costs its neighbours in the same Worker.

usage: python -m tests.conformance.floods [--agents N] [--rounds N] [--only KIND] [--mode own|hub] [--bundle FILE]

Run by `make bench-worker`. Each flood runs and pauses in turn, so that what else the machine does hits both, and is
measured from its beginning. Exits 1 if in 95 of 100 cases an acknowledgement or the end of a neighbour's stream
comes more than a tenth of a second later.
"""

import argparse
import asyncio
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.process import Process
from tests.support.workerd import BUNDLE, ROOT, Workerd

VICTIM = "flooded"
NEIGHBOURS = ["calm-0", "calm-1", "calm-2"]
PROBES = 100
LIMIT_S = 10.0
BAR_S = 0.1
BURST = 10
FLOODING = "flooding\n"

Message = tuple[str, str, bytes]
"""Subject, reply subject, payload."""


def prompt_of(session: str) -> str:
    """Return the subject of an agent's prompts."""
    return f"agents.prompt.open-agent.worker.{session}"


def _prompts(size: int, replies: int) -> Callable[[int], Message]:
    return lambda n: (prompt_of(VICTIM), f"_INBOX.flood.{n % replies}" if replies else "", b"x" * size)


def _redirects(size: int) -> Callable[[int], Message]:
    def message(n: int) -> Message:
        body = {"prompt": f"{n}" + "x" * size, "reply": f"_INBOX.flood.{n}"}
        return f"orch.signal.redirect.open-agent.worker.{VICTIM}", "", json.dumps(body).encode()

    return message


def _requests(subject: str) -> Callable[[int], Message]:
    return lambda n: (subject, f"_INBOX.flood.{n}", b"")


@dataclass(frozen=True)
class Flood:
    """One kind of flood."""

    message: Callable[[int], Message]
    rate: float | None = None
    """Messages in a second; None for as many as the bus takes."""


FLOODS = {
    "small, 2000/s": Flood(_prompts(100, 1), 2000),
    "small": Flood(_prompts(100, 1)),
    "from 500 callers": Flood(_prompts(100, 500)),
    "without reply": Flood(_prompts(100, 0)),
    "large, 20/s": Flood(_prompts(900_000, 1), 20),
    "large": Flood(_prompts(900_000, 1)),
    "redirects": Flood(_redirects(100)),
    "large redirects": Flood(_redirects(900_000)),
    "interrupts": Flood(lambda _: (f"orch.signal.interrupt.open-agent.worker.{VICTIM}", "", b"")),
    "status": Flood(_requests(f"agents.status.open-agent.worker.{VICTIM}")),
    "discovery, 100/s": Flood(_requests("$SRV.INFO.agents"), 100),
    "discovery": Flood(_requests("$SRV.INFO.agents")),
}


def flood(port: int, kind: str) -> None:
    """Flood until killed, over a raw connection to the bus whose answers are read and dropped."""
    one = FLOODS[kind]
    with socket.create_connection(("127.0.0.1", port)) as bus:
        bus.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB _INBOX.flood.> 1\r\n')
        threading.Thread(target=_drain, args=(bus,), daemon=True).start()
        sys.stdout.write(FLOODING)
        sys.stdout.flush()
        begin = time.monotonic()
        for number, burst in enumerate(_bursts(one), 1):
            bus.sendall(burst)
            if one.rate:
                time.sleep(max(0.0, begin + number * BURST / one.rate - time.monotonic()))


def _bursts(one: Flood) -> Iterator[bytes]:
    for first in count(0, BURST):
        yield b"".join(_wire(*one.message(n)) for n in range(first, first + BURST))


def _wire(subject: str, reply: str, payload: bytes) -> bytes:
    return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"


def _drain(bus: socket.socket) -> None:
    with suppress(OSError):
        while bus.recv(1 << 20):
            pass


@dataclass
class Delays:
    """Seconds until the acknowledgement and the end of each probe."""

    acks: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    async def probe(self, caller: Caller, session: str) -> None:
        """Prompt a neighbour once; what does not come within `LIMIT_S` counts as that."""
        stream = await caller.listen()
        begin = time.perf_counter()
        await caller.nats.publish(prompt_of(session), b"hello", reply=stream.subject)
        ack = end = LIMIT_S
        with suppress(TimeoutError):
            await stream.next(LIMIT_S)
            ack = time.perf_counter() - begin
            await stream.rest(LIMIT_S)
            end = time.perf_counter() - begin
        self.acks.append(ack)
        self.ends.append(end)

    async def probes(self, caller: Caller) -> None:
        """Prompt the neighbours in turn."""
        for number in range(PROBES):
            await self.probe(caller, NEIGHBOURS[number % len(NEIGHBOURS)])
            await asyncio.sleep(0.02)

    @property
    def late(self) -> float:
        """The 95th percentile of both, the larger one."""
        return max(p95(self.acks), p95(self.ends))


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


async def settled(caller: Caller) -> None:
    """Wait until the neighbours answer as without a flood."""
    while True:
        delays = Delays()
        for session in NEIGHBOURS:
            await delays.probe(caller, session)
        if max(delays.ends) < BAR_S / 2:
            return


async def measure(bus: NatsServer, kind: str, rounds: int, home: Path) -> tuple[Delays, Delays]:
    """Return the neighbours' delays without and with a flood."""
    calm, flooded = Delays(), Delays()
    async with Caller.connected(bus.url) as caller:
        for _ in range(rounds):
            await settled(caller)
            await calm.probes(caller)
            argv = [sys.executable, "-m", "tests.conformance.floods", "--flood", kind, "--port", str(bus.port)]
            log = home / "flood.log"
            log.unlink(missing_ok=True)
            flooder = Process(argv, log, cwd=ROOT)
            try:
                while not log.read_text().endswith(FLOODING):
                    await asyncio.sleep(0.01)
                await flooded.probes(caller)
            finally:
                flooder.kill()
    return calm, flooded


def head() -> str:
    """Return the first line: median, 95th percentile and worst of each."""
    columns = " |".join(f"{name:>23}" for name in ("ack ms", "in a flood", "end ms", "in a flood"))
    return f"{'':23} {columns}\n"


def row(mode: str, kind: str, calm: Delays, flooded: Delays) -> str:
    """Return one line."""
    cells = [
        f"{statistics.median(one) * 1000:7.1f} {p95(one) * 1000:7.1f} {max(one) * 1000:7.0f}"
        for one in (calm.acks, flooded.acks, calm.ends, flooded.ends)
    ]
    return f"{mode:4} {kind:18} {' |'.join(cells)}\n"


async def compare(mode: str, kinds: list[str], options: argparse.Namespace) -> list[str]:
    """Print a row for each flood in one mode; return the bars that were missed."""
    missed = []
    variables = {"AGENTS_PER_HUB": "250" if mode == "hub" else "1"}
    with tempfile.TemporaryDirectory() as name, NatsServer(Path(name, "nats")) as bus:
        vars_ = {"NATS_WS_URL": bus.ws_url, **variables}
        with Workerd(Path(name, "worker"), vars_, bundle=options.bundle) as worker:
            crowd = [f"crowd-{number}" for number in range(options.agents - 1 - len(NEIGHBOURS))]
            async with httpx.AsyncClient(base_url=worker.url, timeout=120, trust_env=False) as client:
                for session in [VICTIM, *NEIGHBOURS, *crowd]:
                    (await client.post(f"/agent/{session}")).raise_for_status()
            for kind in kinds:
                calm, flooded = await measure(bus, kind, options.rounds, Path(name))
                sys.stdout.write(row(mode, kind, calm, flooded))
                sys.stdout.flush()
                if (late := flooded.late - calm.late) > BAR_S:
                    missed.append(f"{mode}: a flood, {kind}, delays neighbours by {late:.2f} s, at most {BAR_S}")
    return missed


def main() -> int:
    """Compare, or be the flooder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=FLOODS, action="append")
    parser.add_argument("--mode", choices=["own", "hub"], action="append")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--flood", choices=FLOODS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        flood(options.port, options.flood)
        return 0
    sys.stdout.write(head())
    missed: list[str] = []
    for mode in options.mode or ["own", "hub"]:
        missed += asyncio.run(compare(mode, options.only or list(FLOODS), options))
    for bar in missed:
        sys.stdout.write(f"bar missed: {bar}\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
