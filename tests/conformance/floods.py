"""What floods of one agent cost its neighbours in the same Worker.

usage: python -m tests.conformance.floods [--agents N] [--rounds N] [--only KIND] [--mode own|hub]

A part of `make bench-worker`. Each flood runs and pauses in turn, so that whatever else the machine does hits both. Exits 1
if an acknowledgement or a terminator of a neighbour comes more than a tenth of a second later, in 95 of 100 cases.
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
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx

from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.process import Process
from tests.support.workerd import BUNDLE, ROOT, Workerd

VICTIM = "flooded"
NEIGHBOURS = ["calm-0", "calm-1", "calm-2"]
SAMPLES = 40
LIMIT_S = 10.0
BAR_S = 0.1

Message = tuple[str, str, bytes]
"""Subject, reply subject, payload."""


def _prompts(size: int, replies: int) -> Callable[[int], Message]:
    subject = f"agents.prompt.open-agent.worker.{VICTIM}"
    return lambda n: (subject, f"_INBOX.flood.{n % replies}" if replies else "", b"x" * size)


def _redirects(size: int) -> Callable[[int], Message]:
    subject = f"orch.signal.redirect.open-agent.worker.{VICTIM}"

    def message(n: int) -> Message:
        return subject, "", json.dumps({"prompt": f"{n}" + "x" * size, "reply": f"_INBOX.flood.{n}"}).encode()

    return message


@dataclass(frozen=True)
class Flood:
    """One kind of flood."""

    message: Callable[[int], Message]
    rate: float | None
    """Messages in a second; None for as many as the bus takes."""


FLOODS = {
    "small 2000/s": Flood(_prompts(100, 1), 2000),
    "small": Flood(_prompts(100, 1), None),
    "from 500 callers": Flood(_prompts(100, 500), None),
    "without reply": Flood(_prompts(100, 0), None),
    "large 20/s": Flood(_prompts(900_000, 1), 20),
    "large": Flood(_prompts(900_000, 1), None),
    "redirects": Flood(_redirects(100), None),
    "large redirects": Flood(_redirects(900_000), None),
    "interrupts": Flood(lambda _: (f"orch.signal.interrupt.open-agent.worker.{VICTIM}", "", b""), None),
    "signals to nobody": Flood(lambda _: ("orch.signal.interrupt.open-agent.worker.nobody", "", b""), None),
    "large nobody": Flood(lambda _: ("orch.signal.interrupt.open-agent.worker.nobody", "", b"x" * 900_000), None),
    "large nobody 100": Flood(lambda _: ("orch.signal.interrupt.open-agent.worker.nobody", "", b"x" * 900_000), 100),
    "large nobody 200": Flood(lambda _: ("orch.signal.interrupt.open-agent.worker.nobody", "", b"x" * 900_000), 200),
    "status": Flood(lambda n: (f"agents.status.open-agent.worker.{VICTIM}", f"_INBOX.flood.{n}", b""), None),
    "discovery 100/s": Flood(lambda n: ("$SRV.INFO.agents", f"_INBOX.flood.{n}", b""), 100),
    "discovery": Flood(lambda n: ("$SRV.INFO.agents", f"_INBOX.flood.{n}", b""), None),
}


def flood(port: int, kind: str, seconds: float) -> None:
    """Flood for some seconds over a raw connection to the bus, whose answers are read and dropped."""
    one = FLOODS[kind]
    deadline = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port)) as bus:
        bus.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB _INBOX.flood.> 1\r\n')
        threading.Thread(target=_drain, args=(bus,), daemon=True).start()
        begin = time.monotonic()
        sent = 0
        total, said = 0, 0.0
        for burst in _bursts(one):
            if time.monotonic() > deadline:
                return
            bus.sendall(burst)
            total += 1
            if time.monotonic() - said > 0.5:
                print(f"{kind} {time.monotonic() - begin:.1f} {total * _BURST} {total * len(burst)}", flush=True)
                said = time.monotonic()
            if one.rate:
                sent += 1
                time.sleep(max(0.0, begin + sent * _BURST / one.rate - time.monotonic()))


_BURST = 10


def _bursts(one: Flood) -> Iterator[bytes]:
    for first in count(0, _BURST):
        yield b"".join(_wire(*one.message(n)) for n in range(first, first + _BURST))


def _wire(subject: str, reply: str, payload: bytes) -> bytes:
    return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n"


def _drain(bus: socket.socket) -> None:
    try:
        while bus.recv(1 << 20):
            pass
    except OSError:
        return


@dataclass
class Delays:
    """Seconds until the ack and until the terminator, for each prompt."""

    acks: list[float]
    ends: list[float]


async def probe(caller: Caller, subject: str) -> tuple[float, float]:
    """Prompt once; return the seconds to the ack and to the terminator, `LIMIT_S` if they do not come."""
    stream = await caller.listen()
    begin = time.perf_counter()
    await caller.nats.publish(subject, b"hello", reply=stream.subject)
    ack = LIMIT_S
    try:
        await stream.next(LIMIT_S)
        ack = time.perf_counter() - begin
        await stream.rest(LIMIT_S)
    except TimeoutError:
        return ack, LIMIT_S
    return ack, time.perf_counter() - begin


async def probes(caller: Caller) -> list[tuple[float, float]]:
    """Prompt the neighbours in turn."""
    samples = []
    for number in range(SAMPLES):
        name = NEIGHBOURS[number % len(NEIGHBOURS)]
        samples.append(await probe(caller, f"agents.prompt.open-agent.worker.{name}"))
        await asyncio.sleep(0.02)
    return samples


async def settle(caller: Caller) -> None:
    """Wait until the neighbours answer as without a flood."""
    begin = time.monotonic()
    while max(end for _, end in [await probe(caller, f"agents.prompt.open-agent.worker.{name}") for name in NEIGHBOURS]) > 0.02:
        await asyncio.sleep(0.5)
    print(f"settled {time.monotonic() - begin:.1f}")


async def measure(bus: NatsServer, kind: str, rounds: int, home: Path) -> tuple[Delays, Delays]:
    """Return the neighbours' delays without and with a flood."""
    calm: list[tuple[float, float]] = []
    flooded: list[tuple[float, float]] = []
    async with Caller.connected(bus.url) as caller:
        for _ in range(rounds):
            calm += await probes(caller)
            argv = [sys.executable, "-m", "tests.conformance.floods", "--flood", kind, "--port", str(bus.port)]
            flooder = Process(argv, home / "flood.log", cwd=ROOT)
            try:
                await asyncio.sleep(1)
                flooded += await probes(caller)
            finally:
                flooder.stop()
            await settle(caller)
    return Delays(*map(list, zip(*calm, strict=True))), Delays(*map(list, zip(*flooded, strict=True)))


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def row(kind: str, calm: Delays, flooded: Delays) -> str:
    """Return one line: median, 95th percentile and worst in milliseconds."""
    cells = [
        f"{statistics.median(one) * 1000:7.1f} {p95(one) * 1000:7.1f} {max(one) * 1000:7.0f}"
        for one in (calm.acks, flooded.acks, calm.ends, flooded.ends)
    ]
    return f"{kind:18} " + " |".join(cells)


HEAD = f"{'milliseconds':18} " + " |".join(f"{name:>23}" for name in ("ack", "in a flood", "end", "in a flood"))


async def compare(mode: str, agents: int, rounds: int, kinds: list[str], bundle: Path = BUNDLE) -> list[str]:
    """Print a row for each flood in one mode; return the bars that were missed."""
    missed = []
    variables = {"AGENTS_PER_HUB": "250" if mode == "hub" else "1"}
    with tempfile.TemporaryDirectory() as name, NatsServer(Path(name, "nats")) as bus:
        home = Path(name)
        with Workerd(home / "worker", {"NATS_WS_URL": bus.ws_url, **variables}, bundle=bundle) as worker:
            sessions = [VICTIM, *NEIGHBOURS, *(f"crowd-{n}" for n in range(agents - 1 - len(NEIGHBOURS)))]
            async with httpx.AsyncClient(base_url=worker.url, timeout=120, trust_env=False) as client:
                for session in sessions:
                    (await client.post(f"/agent/{session}")).raise_for_status()
            for kind in kinds:
                calm, flooded = await measure(bus, kind, rounds, home)
                sys.stdout.write(f"{mode} {row(kind, calm, flooded)}\n")
                sys.stdout.flush()
                late = max(p95(flooded.acks) - p95(calm.acks), p95(flooded.ends) - p95(calm.ends))
                if late > BAR_S:
                    missed.append(f"{mode}: a flood of {kind} delays neighbours by {late:.2f} s")
                print("\n".join((home / "flood.log").read_text().splitlines()[-2:]))
                print("\n".join((home / "nats/nats.log").read_text().splitlines()[-3:]))
                print("\n".join(worker.log.splitlines()[-3:]))
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
        flood(options.port, options.flood, 120)
        return 0
    missed: list[str] = []
    sys.stdout.write(f"    {HEAD}\n")
    for mode in options.mode or ["own", "hub"]:
        missed += asyncio.run(
            compare(mode, options.agents, options.rounds, options.only or list(FLOODS), options.bundle)
        )
    for bar in missed:
        sys.stdout.write(f"bar missed: {bar}\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
