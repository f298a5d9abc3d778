"""Random faults, one rule: what was acknowledged ends once, what should live answers, what was aborted does not.

usage: python -m tests.conformance.soak [--minutes N] [--seed N] [--agents-per-hub N] [--older BUNDLE]

Prints counts, and the seed that repeats the faults and what callers do, in their order. Exits 1 if the rule was broken.
The rule itself is `tests/support/ledger.py`.
"""

import argparse
import asyncio
import json
import logging
import math
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import nats
import nats.errors
from nats.aio.msg import Msg

from tests.conformance.test_hub import FRAGILE
from tests.support import openrouter as fake
from tests.support.caller import Frame
from tests.support.ledger import END_S, MARGIN_S, Ledger, Span, State, Stream
from tests.support.nats import NatsServer
from tests.support.openrouter import Handler, OpenRouter, Request, variables
from tests.support.proxy import Proxy
from tests.support.workerd import BUNDLE, Workerd

SESSIONS = {f"{agent}-{number}": agent for agent in ["echo", "pi"] for number in range(6)}
"""Half of the agents answer at once, and half have turns that faults interrupt."""
# Longest wait for an agent to answer again, whatever happened to it.
REVIVAL_S = 45.0
# How long it may take until a dead path is noticed.
NOTICE_S = 26.0
# How long answers are held back at least for callers that lost their connection too.
GRACE_S = 2.5
# How often callers do something, in seconds.
ACT_S = 0.1
# How often the platform calls the cron trigger, in seconds.
CRON_S = 60.0

# Which bundle each class comes from: during a deployment, objects of both run at once.
IMPORTS = """\
import bundle from "{worker}";
import {{ AgentSession as Session }} from "{session}";
import {{ Hub as Good }} from "{hub}";
import {{ Registry as Directory }} from "{registry}";
"""
NEW, OLD = "bundle.js", "older.js"


class Soak:
    """One run."""

    def __init__(
        self,
        bus: NatsServer,
        path: Proxy,
        worker: Workerd,
        provider: OpenRouter,
        options: argparse.Namespace,
    ) -> None:
        """Use servers that run already."""
        self.bus = bus
        self.path = path
        self.worker = worker
        self.older: Path | None = options.older
        self.has_hubs: bool = options.agents_per_hub > 1
        self.deadline = time.monotonic() + options.minutes * 60
        # One for each, so that neither depends on how long the other took.
        self.fate, self.whim = (random.Random(f"{options.seed} {name}") for name in ["fate", "whim"])
        self.ledger = Ledger(list(SESSIONS))
        self.locks = {session: asyncio.Lock() for session in SESSIONS}
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self.revivals: dict[str, list[float]] = defaultdict(list)
        self.journal: Path | None = options.home and options.home / "journal.txt"
        self.tasks: set[asyncio.Task[None]] = set()
        self.begin = time.monotonic()
        self.inbox = f"_INBOX.soak-{options.seed}"
        self.is_current = True
        """Whether all that runs is the current bundle."""
        provider.always(self.play)

    # What callers do.

    async def connect(self) -> None:
        """Connect to the bus, and listen to all streams with one subscription."""
        # As most clients, it retries every two seconds. Nothing is kept for a later connection, whose limit may be
        # lower: the server would refuse it again and again.
        self.nats = await nats.connect(self.bus.url, max_reconnect_attempts=-1, reconnect_time_wait=2, pending_size=0)
        await self.nats.subscribe(f"{self.inbox}.*", cb=self.on_frame)

    async def on_frame(self, message: Msg) -> None:
        """Note a frame of a stream."""
        stream = self.ledger.open.get(message.subject.rpartition(".")[2])
        if stream is not None:
            stream.take(Frame(message.data, dict(message.headers or {})), time.monotonic())

    async def send(self, session: str, body: str, expected: str, verb: str | None = None) -> Stream:
        """Send a prompt or a redirect; `$` in the texts is replaced by the stream's name."""
        stream = self.ledger.stream(session, SESSIONS[session] != "echo", time.monotonic())
        stream.expected = expected.replace("$", stream.name)
        prompt, reply = body.replace("$", stream.name), f"{self.inbox}.{stream.name}"
        with suppress(nats.errors.Error):
            if verb is None:
                subject = f"agents.prompt.open-agent.worker.{session}"
                await self.nats.publish(subject, prompt.encode(), reply=reply)
            else:
                await self.signal(session, verb, {"prompt": prompt, "reply": reply})
        return stream

    async def signal(self, session: str, verb: str, body: dict[str, str]) -> None:
        """Send a signal, which ends a turn unless nobody can hear it."""
        now = time.monotonic()
        if not self.ledger.is_losing(now):
            self.ledger.cut(session, now, now)
        self.note(f"{verb} {session}")
        await self.nats.publish(f"orch.signal.{verb}.open-agent.worker.{session}", json.dumps(body).encode())

    async def prompt(self, session: str, size: int = 20, verb: str | None = None) -> Stream:
        """Send a prompt to an agent of either kind."""
        if SESSIONS[session] == "echo":
            text = "$ " + "x" * size
            return await self.send(session, text, text, verb)
        count, pause_ms = self.whim.randrange(1, 10), self.whim.randrange(600)
        answer = "".join(f"$.{number};" for number in range(count))
        return await self.send(session, f"$ {count} {pause_ms}", answer, verb)

    def play(self, handler: Handler, request: Request) -> None:
        """Answer as a model that was told how much to say, and how slowly."""
        name, count, pause_ms = (request.body.messages[-1].content or "").split(" ")  # type: ignore[union-attr]  # the last message is the prompt
        handler.begin()
        for number in range(int(count)):
            handler.server.stopping.wait(int(pause_ms) / 1000)
            if handler.is_left():
                return
            handler.event(request, {"content": f"{name}.{number};"})
        handler.stop(request, "stop")
        stream = self.ledger.open.get(name)
        if stream is not None:
            stream.said = time.monotonic()

    async def flood(self, session: str) -> None:
        """Send much at once."""
        for _ in range(20):
            await self.prompt(session, 300_000)

    async def interrupt(self, session: str) -> None:
        """End a turn."""
        with suppress(nats.errors.Error):
            await self.signal(session, "interrupt", {})

    async def start(self, session: str) -> None:
        """Start an agent, or find that it runs."""
        agent = self.ledger.agents[session]
        async with self.locks[session]:
            before = agent.state
            agent.becomes(State.UNKNOWN)
            status, body = await self.post(f"/agent/{session}", {"agent": SESSIONS[session]})
            self.count(f"start {status}", session)
            if status in (200, 201):
                agent.becomes(State.RUNS)
            elif before is State.RUNS or status == 503:
                agent.becomes(before)
            if status == 201 and before is State.RUNS:
                self.breaks(f"{session} was lost: a start began it anew")
            if status == 409 or (status == 200 and before is State.STOPPED):
                self.breaks(f"{session} was {before.value}, but a start found it: {status} {body.get('message', '')}")

    async def abort(self, session: str) -> None:
        """Abort an agent, and see that it does not answer."""
        agent = self.ledger.agents[session]
        async with self.locks[session]:
            before = agent.state
            begin = time.monotonic()
            status, body = await self.post(f"/control/abort/{session}")
            if status == 200 or not self.ledger.is_losing(begin):
                # While the bus is away, what it ends is held back.
                self.ledger.cut(session, begin, time.monotonic() if self.ledger.is_settled else math.inf)
            self.count(f"abort {status}", session)
            agent.becomes(State.STOPPED if status == 200 else State.UNKNOWN)
            if status == 200 and before is State.RUNS and body["stopped"] != [session]:
                self.breaks(f"{session} was lost: an abort found nothing")
        await self.prompt(session)

    async def post(self, path: str, body: object = None) -> tuple[int | None, Any]:
        """Post to the Worker; None when it cannot be reached."""
        try:
            async with httpx.AsyncClient(base_url=self.worker.url, timeout=60, trust_env=False) as client:
                response = await client.post(path, json=body or {})
            return response.status_code, response.json()
        except (httpx.HTTPError, ValueError):
            return None, None

    async def act(self) -> None:
        """Do what callers do, one thing after the other, whether the one before is done or not."""
        acts: list[tuple[int, Callable[[str], Awaitable[Any]]]] = [
            (50, self.prompt),
            (4, lambda session: self.prompt(session, 300_000)),
            (8, self.start),
            (2, self.abort),
            (4, lambda session: self.prompt(session, 2000, "redirect")),
            (2, self.interrupt),
            (1, self.flood),
        ]
        while time.monotonic() < self.deadline:
            [act] = self.whim.choices([act for _, act in acts], [weight for weight, _ in acts])
            self.spawn(act(self.whim.choice(list(SESSIONS))))
            await asyncio.sleep(self.whim.expovariate(1 / ACT_S))

    # What happens to them.

    async def restart_bus(self, limit: int = 1_048_576) -> None:
        """Stop the bus and start it again."""
        with self.ledger.losing():
            await asyncio.to_thread(self.bus.stop)
        self.bus.settings["max_payload"] = limit
        await asyncio.sleep(self.fate.random() * 5)
        await asyncio.to_thread(self.bus.start)
        back = time.monotonic()
        self.ledger.delay(back + GRACE_S)
        while not self.nats.is_connected:
            await asyncio.sleep(0.02)
            if time.monotonic() > back + 2 * GRACE_S:
                await self.nats.close()
                await self.connect()
        if time.monotonic() > back + GRACE_S:
            self.ledger.losses.append(Span(back, time.monotonic()))

    async def narrow_bus(self) -> None:
        """Let the bus come back with a lower limit, below what some callers sent."""
        await self.restart_bus(262_144)

    async def freeze_bus(self) -> None:
        """Keep the bus from answering for a while."""
        self.bus.freeze()
        await asyncio.sleep(self.fate.random() * 8)
        self.bus.thaw()
        self.ledger.delay(time.monotonic() + GRACE_S)

    async def slow_path(self) -> None:
        """Let few bytes pass for a while."""
        self.path.rate = 300_000
        await asyncio.sleep(self.fate.random() * 10)
        self.path.rate = None

    async def swallow(self) -> None:
        """Let the path swallow all that is under way, until the Worker must have noticed."""
        with self.ledger.losing(is_silent=True):
            self.path.black_hole()
            await asyncio.sleep(NOTICE_S)
        self.ledger.delay(time.monotonic() + 2 * MARGIN_S)

    async def mute_path(self) -> None:
        """Close all connections, and let new ones say nothing for a while."""
        with self.ledger.losing():
            self.path.mute()
        await asyncio.sleep(self.fate.random() * 8)
        self.path.heal()
        self.ledger.delay(time.monotonic() + GRACE_S)

    async def crash(self) -> None:
        """Kill one object; one that has a connection loses what it had not sent."""
        space = self.fate.choice(["SESSIONS", "SESSIONS", "REGISTRY", *(["HUBS"] if self.has_hubs else [])])
        names = {"SESSIONS": list(SESSIONS), "REGISTRY": ["registry"], "HUBS": ["hub.0", "hub.1", "hub.2"]}
        name = self.fate.choice(names[space])
        loses = space == ("HUBS" if self.has_hubs else "SESSIONS")
        with suppress(httpx.HTTPError), self.ledger.losing() if loses else nullcontext():
            async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
                await client.get(f"{self.worker.url}/crash/{space}/{name}")
        self.ledger.delay(time.monotonic() + 2 * MARGIN_S)
        self.count(f"fault crash {space}", name)

    async def kill_worker(self) -> None:
        """Kill workerd and start it again."""
        with self.ledger.losing():
            self.worker.kill()
            await asyncio.sleep(self.fate.random() * 3)
            await asyncio.to_thread(self.worker.start)
        self.ledger.delay(time.monotonic() + 2 * MARGIN_S)

    async def deploy(self) -> None:
        """Let the older bundle, the current one, or a mixture take the place of what runs."""
        parts = ["worker", "session", "hub", "registry"]
        bundles = self.fate.choice([[NEW], [OLD], [NEW, OLD]]) if self.older else [NEW]
        chosen = {part: self.fate.choice(bundles) for part in parts}
        with self.ledger.losing():
            await asyncio.to_thread(self.worker.stop)
            self.worker.patch = patch(chosen)
            self.is_current = set(chosen.values()) == {NEW}
            await asyncio.to_thread(self.worker.start)
        self.ledger.delay(time.monotonic() + 2 * MARGIN_S)
        self.note(f"deployed {chosen}")

    async def hurt(self) -> None:
        """Let one fault follow the other, and see in between that whatever should live answers."""
        faults: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (2, self.restart_bus),
            (1, self.narrow_bus),
            (2, self.freeze_bus),
            (1, self.slow_path),
            (1, self.swallow),
            (2, self.mute_path),
            (4, self.crash),
            (2, self.kill_worker),
            (2, self.deploy),
        ]
        while time.monotonic() < self.deadline:
            # Either everybody is back before the next one, or it comes before anything that was held back is sent.
            await asyncio.sleep(self.fate.random() * (6 if self.ledger.is_settled else 2))
            [fault] = self.fate.choices([fault for _, fault in faults], [weight for weight, _ in faults])
            name = fault.__name__
            self.count(f"fault {name}")
            is_second = not self.ledger.is_settled
            self.ledger.is_settled = False
            await fault()
            self.note(f"over: {name}")
            # At most two in a row: the more there are, the more of what they hold up is excused.
            if is_second or self.fate.random() < 0.5:
                await self.settle(name)
        await self.settle("all")

    # What is checked.

    async def settle(self, fault: str) -> None:
        """See that whatever should live answers in time, and is on the bus once; nothing else is."""
        since = time.monotonic()
        await asyncio.gather(*(self.revive(session, since, fault) for session in SESSIONS))
        for _ in range(5):
            wrong = await self.misplaced()
            if not wrong:
                break
        for session, times in wrong.items():
            self.breaks(f"{session} was {times} after {fault}")
        self.counts["settled"] += 1
        self.ledger.settle(time.monotonic())

    async def revive(self, session: str, since: float, fault: str) -> None:
        """Prompt an agent until it answers."""
        agent = self.ledger.agents[session]
        life = agent.life
        while agent.state is State.RUNS and agent.life == life:
            stream = await self.send(session, *(("$", "$") if SESSIONS[session] == "echo" else ("$ 1 0", "$.0;")))
            limit = time.monotonic() + 5
            while time.monotonic() < limit and not (stream.ends or stream.nobody):
                if stream.takes_turns and stream.acknowledged:
                    break
                await asyncio.sleep(0.02)
            took = time.monotonic() - since
            if stream.is_answered or (stream.takes_turns and stream.acknowledged):
                self.revivals[fault].append(took)
                return
            if took > REVIVAL_S:
                self.breaks(f"{session} did not answer within {REVIVAL_S} s of {fault}")
                agent.becomes(State.UNKNOWN)
            await asyncio.sleep(0.2)

    async def misplaced(self) -> dict[str, str]:
        """Return what is wrong with where each agent is: once on the bus and in the Worker's list, or in neither."""
        before = {session: (agent.life, agent.state) for session, agent in self.ledger.agents.items()}
        listed = await asyncio.to_thread(self.listed) if self.is_current else None
        found: Counter[str] = Counter()

        async def on_info(message: Msg) -> None:
            if message.data:
                found[json.loads(message.data)["metadata"]["session"]] += 1

        inbox = self.nats.new_inbox()
        subscription = await self.nats.subscribe(inbox, cb=on_info)
        await self.nats.publish("$SRV.INFO.agents", b"", reply=inbox)
        await asyncio.sleep(2)
        await subscription.unsubscribe()
        wrong: dict[str, str] = {}
        for session, (life, state) in before.items():
            if self.ledger.agents[session].life != life or state is State.UNKNOWN:
                continue
            if found[session] != (state is State.RUNS):
                wrong[session] = f"{found[session]} times on the bus"
            elif listed is not None and (session in listed) != (state is State.RUNS):
                wrong[session] = "listed" if session in listed else "not listed"
        return wrong

    def listed(self) -> set[str] | None:
        """Return the running agents as the Worker lists them; None when it cannot be reached."""
        with suppress(httpx.HTTPError), self.worker.client() as client:
            agents = client.get("/agents").json()["agents"]
            return {agent["session"] for agent in agents if agent["state"] != "stopped"}
        return None

    async def judge(self) -> None:
        """Judge streams when they are over, and do what the platform does once a minute."""
        due = time.monotonic() + CRON_S
        while True:
            await asyncio.sleep(1)
            self.verdicts(time.monotonic())
            if time.monotonic() > due:
                due += CRON_S
                with suppress(httpx.HTTPError):
                    await asyncio.to_thread(self.worker.trigger_cron)

    def verdicts(self, now: float) -> None:
        """Count what became of the streams that are over by then."""
        for stream, outcome, broken in self.ledger.judge(now):
            self.counts[f"stream {outcome}"] += 1
            if broken:
                sent, acknowledged = stream.sent - self.begin, (stream.acknowledged or math.nan) - self.begin
                ends = [round(end - self.begin, 2) for end in stream.ends]
                said = stream.said and round(stream.said - self.begin, 2)
                self.breaks(f"{broken} ({sent=:.2f} {acknowledged=:.2f} {said=} {ends=} {stream.text[:40]!r})")

    def spawn(self, work: Awaitable[Any]) -> None:
        """Do something in the background."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def count(self, what: str, of: str = "") -> None:
        """Count and note something."""
        self.counts[what] += 1
        self.note(f"{what} {of}")

    def note(self, what: str) -> None:
        """Note when something happened, and how much the Worker had logged by then."""
        if self.journal:
            with self.journal.open("a") as journal:
                journal.write(f"{time.monotonic() - self.begin:9.2f} {self.worker.logged:9} {what}\n")

    def breaks(self, rule: str) -> None:
        """Note that the rule was broken, with what happened around it."""
        now = time.monotonic() - self.begin
        self.broken.append(f"{now:.1f} {rule}")
        sys.stdout.write(f"broken at {now:.1f}: {rule}\n")
        sys.stdout.flush()

    async def run(self) -> None:
        """Hurt and act until the time is over, then wait for the streams that are open."""
        await self.connect()
        await asyncio.gather(*(self.start(session) for session in SESSIONS))
        judge = asyncio.create_task(self.judge())
        acting = asyncio.create_task(self.act())
        await self.hurt()
        await acting
        limit = time.monotonic() + END_S
        while time.monotonic() < limit and any(
            stream.acknowledged and not stream.ends for stream in self.ledger.open.values()
        ):
            await asyncio.sleep(0.5)
        await asyncio.gather(*self.tasks)
        judge.cancel()
        self.verdicts(math.inf)
        await self.nats.close()


def patch(chosen: dict[str, str]) -> str:
    """Return a Worker whose classes come from these bundles, and whose objects can be killed."""
    _, _, rest = FRAGILE.partition("\n")
    return IMPORTS.format(**chosen) + rest


async def soak(options: argparse.Namespace) -> Soak:
    """Set up the servers and run."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        fake.openrouter() as provider,
        # Dead connections are noticed by the server too, in less than the two minutes of its default.
        NatsServer(Path(temporary, "nats"), {"ping_interval": "5s"}) as bus,
        Proxy(bus.ws_port) as path,
    ):
        home = options.home or Path(temporary, "worker")
        home.mkdir(parents=True)
        settings = {
            **variables(bus, provider),
            "NATS_WS_URL": f"ws://127.0.0.1:{path.port}",
            "AGENTS_PER_HUB": str(options.agents_per_hub),
        }
        # A copy, so that a build in the meantime changes nothing.
        worker = Workerd(home, settings, bundle=Path(shutil.copy(options.bundle, temporary)))
        worker.patch = patch(dict.fromkeys(["worker", "session", "hub", "registry"], NEW))
        worker.modules = {OLD: options.older} if options.older else {}
        with worker:
            run = Soak(bus, path, worker, provider, options)
            await run.run()
        provider.settle()
    return run


def report(run: Soak, options: argparse.Namespace) -> None:
    """Print what happened."""
    for what, count in sorted(run.counts.items()):
        sys.stdout.write(f"{what:32} {count}\n")
    for fault, seconds in sorted(run.revivals.items()):
        seconds.sort()
        median, longest = seconds[len(seconds) // 2], seconds[-1]
        sys.stdout.write(f"{'back after ' + fault:32} {median:.1f} s, at most {longest:.1f} s\n")
    sys.stdout.write(f"seed {options.seed}, AGENTS_PER_HUB {options.agents_per_hub}: {len(run.broken)} broken\n")
    for broken in run.broken:
        sys.stdout.write(f"  {broken}\n")


def main() -> int:
    """Run, and print what happened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--agents-per-hub", type=int, default=1)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--older", type=Path, help="a bundle to deploy in between")
    parser.add_argument("--home", type=Path, help="where to leave the Worker's log, its disk, and a journal")
    options = parser.parse_args()
    # The caller loses its connection with every restart of the bus.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    run = asyncio.run(soak(options))
    report(run, options)
    return bool(run.broken)


if __name__ == "__main__":
    sys.exit(main())
