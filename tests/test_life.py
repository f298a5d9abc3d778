"""Repeating any verb, in any order, any number of times, is safe: on a real Worker and a real bus."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx
import nats
import pytest
import yaml
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from nats.errors import NoRespondersError

from exec_cf.cli import run
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd
from tests.support.world import LiveWorld

SESSIONS = ("one", "two", "three")
sessions = st.sampled_from(SESSIONS)
_EXAMPLES = itertools.count()


class Life(RuleBasedStateMachine):
    """What should run is kept beside what does."""

    url: ClassVar[str]
    http: ClassVar[httpx.Client]

    def __init__(self) -> None:
        super().__init__()
        self.example = next(_EXAMPLES)
        self.running: set[str] = set()
        self.handles: dict[str, bytes] = {}
        self.put_off_since_stop: set[str] = set()

    @initialize()
    def nothing_runs(self) -> None:
        assert self.http.post("/control/abort").json() == {"stopped": []}

    @rule(session=sessions)
    def spawn(self, session: str) -> None:
        handle = self._spawned(session, {})
        assert handle["status"] == "ready", handle
        self.running.add(session)
        self.put_off_since_stop.discard(session)

    @rule(session=sessions)
    def put_off(self, session: str) -> None:
        assert self._spawned(session, {"CF_WORKER_HEALTHCHECK": "0"})["status"] == "pending"
        self.put_off_since_stop.add(session)

    @rule(session=sessions)
    def spawn_with_other_settings(self, session: str) -> None:
        handle = self._spawned(session, {}, "labels: {a: b}\n", keep=False)
        assert handle["status"] == ("failed" if session in self.running else "ready"), handle
        if session not in self.running:
            self._call(yaml.safe_dump(handle).encode(), "--abort")
            self.put_off_since_stop.discard(session)

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def status(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.handles)))
        code, world = self._call(self.handles[session], "--status")
        assert code == 0, world.errors
        if session in self.put_off_since_stop and session not in self.running:
            self.running.add(session)
        self.put_off_since_stop.discard(session)
        assert yaml.safe_load(world.written)["status"] == ("ready" if session in self.running else "failed")
        self.handles[session] = world.written

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), verb=st.sampled_from(["--abort", "--teardown"]))
    def stop(self, data: st.DataObject, verb: str) -> None:
        session = data.draw(st.sampled_from(sorted(self.handles)))
        code, world = self._call(self.handles[session], verb)
        assert (code, world.written) == (0, b""), world.errors
        self.put_off_since_stop.discard(session)
        self.running.discard(session)

    @rule()
    def list_all(self) -> None:
        code, world = self._call(b"", "--list", environ={"CF_WORKER_URL": self.url})
        assert code == 0, world.errors
        listed = yaml.safe_load(world.written)["agents"]
        running = {agent["session"] for agent in listed if agent["state"] != "stopped"}
        assert running == set(map(self._fresh, self.running))

    @rule()
    def stop_all(self) -> None:
        code, world = self._call(b"", "--abort", "--all", "--yes", environ={"CF_WORKER_URL": self.url})
        assert (code, world.written) == (0, b""), world.errors
        assert not self.running or f"{len(self.running)} agent" in world.errors[-1]
        self.put_off_since_stop -= self.running
        self.running.clear()

    def teardown(self) -> None:
        for handle in self.handles.values():
            self._call(handle, "--teardown")
        for session in SESSIONS:
            answer = self.http.get(f"/agent/{self._fresh(session)}")
            assert answer.status_code == 404 or answer.json()["state"] == "stopped"
        assert self.http.post("/control/abort").json() == {"stopped": []}

    def _fresh(self, session: str) -> str:
        """Return a session that no other example has used: what a Worker has never seen is a state too."""
        return f"{session}-{self.example}"

    def _spawned(
        self, session: str, environ: Mapping[str, str], more: str = "", *, keep: bool = True
    ) -> dict[str, Any]:
        spec = f"name: {self._fresh(session)}\nagent: echo\n{more}cf-worker:\n  script: {self.url}\n"
        code, world = self._call(spec.encode(), environ=environ)
        assert code == 0, world.errors
        if keep:
            self.handles[session] = world.written
        handle: dict[str, Any] = yaml.safe_load(world.written)
        return handle

    def _call(
        self, document: bytes, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> tuple[int, LiveWorld]:
        world = LiveWorld(document, environ or {})
        try:
            return run(arguments, world), world
        finally:
            world.close()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def worker(bus: NatsServer, tmp_path: Path) -> Iterator[Workerd]:
    with Workerd(tmp_path / "worker", {"NATS_WS_URL": bus.ws_url}) as server:
        yield server


def test_any_order_of_verbs_is_safe_and_leaves_nothing(bus: NatsServer, worker: Workerd) -> None:
    Life.url = worker.url
    with worker.client() as Life.http:
        run_state_machine_as_test(Life, settings=settings(max_examples=8, stateful_step_count=12))
    with pytest.raises(NoRespondersError):
        asyncio.run(ping(bus))


async def ping(bus: NatsServer) -> None:
    """Ask every service on the bus for a sign of life."""
    client = await nats.connect(bus.url)
    try:
        await client.request("$SRV.PING")
    finally:
        await client.close()
