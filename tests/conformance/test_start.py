"""Starting, looking and aborting."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.caller import Caller, Frame, text_of
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd


def subjects_of(owner: str, session: str) -> dict[str, str]:
    """Return the subjects that the dispatcher computes for an agent."""
    agent = f"open-agent.{owner}.{session}"
    return {
        "prompt": f"agents.prompt.{agent}",
        "status": f"agents.status.{agent}",
        "hb": f"agents.hb.{agent}",
        "signal": f"orch.signal.>.{agent}",
    }


def test_a_start_answers_with_what_a_handle_needs(http: httpx.Client, session: str) -> None:
    """The answer names owner, session, harness, instance, subjects and the way to abort."""
    response = http.post(f"/agent/{session}", json={"agent": "echo", "owner": "ada"})
    assert response.status_code == 201
    body = response.json()
    assert body.pop("instance_id")
    assert body.pop("started_at")
    assert body == {
        "state": "ready",
        "owner": "ada",
        "session": session,
        "agent": "echo",
        "subjects": subjects_of("ada", session),
        "answered": 0,
        "failed": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "abort": f"/control/abort/{session}",
    }


def test_a_start_without_a_body_starts_an_echo(http: httpx.Client, session: str) -> None:
    """Everything in the body has a default."""
    body = http.post(f"/agent/{session}").json()
    assert (body["agent"], body["owner"]) == ("echo", "worker")


@pytest.mark.anyio
async def test_a_started_agent_answers_at_once(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Ready is a promise: the first prompt after the start is answered."""
    async with Caller.connected(bus.url) as caller:
        subjects = http.post(f"/agent/{session}").json()["subjects"]
        assert text_of(await caller.prompt(subjects["prompt"], "hello")) == "hello"


@pytest.mark.anyio
async def test_a_prompt_during_the_start_is_answered(bus: NatsServer, worker: Workerd, session: str) -> None:
    """Whoever finds the agent before its start has answered gets the same answer as after."""
    async with (
        Caller.connected(bus.url) as caller,
        httpx.AsyncClient(base_url=worker.url, timeout=30, trust_env=False) as client,
    ):
        starting = asyncio.create_task(client.post(f"/agent/{session}"))
        first = Frame(b"", {"Status": "503"})
        while first.headers.get("Status") == "503":
            stream = await caller.send(subjects_of("worker", session)["prompt"], b"hello")
            first = await stream.next()
        assert first.json == {"type": "status", "data": "ack"}
        assert text_of(await stream.rest()) == "hello"
        assert (await starting).status_code == 201


def test_a_second_start_finds_the_first(http: httpx.Client, session: str) -> None:
    """With the same settings, in any order, the agent that runs answers: 200."""
    labels = {"a": "1", "b": "2"}
    first = http.post(f"/agent/{session}", json={"agent": "echo", "labels": labels})
    second = http.post(f"/agent/{session}", json={"labels": dict(reversed(labels.items()))})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


@pytest.mark.parametrize(
    "other",
    [
        {"owner": "other"},
        {"agent": "pi"},
        {"name": "other"},
        {"labels": {"a": "2"}},
        {"env": {"OPEN_AGENT_MODEL_ID": "other"}},
        {"description": "other"},
    ],
)
def test_a_start_with_other_settings_is_a_conflict(http: httpx.Client, session: str, other: dict[str, object]) -> None:
    """The agent that runs is not changed by a start: 409."""
    first = http.post(f"/agent/{session}").json()
    response = http.post(f"/agent/{session}", json=other)
    assert (response.status_code, response.json()["error"]) == (409, "conflict")
    assert http.post(f"/agent/{session}").json() == first


@pytest.mark.anyio
async def test_starts_at_once_make_one_agent(bus: NatsServer, worker: Workerd, session: str) -> None:
    """Of several starts of one session one creates it, the others find it, and one agent is on the bus."""

    def start(_: int) -> httpx.Response:
        with worker.client() as client:
            return client.post(f"/agent/{session}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(start, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    async with Caller.connected(bus.url) as caller:
        services = [s for s in await caller.services() if s["metadata"]["session"] == session]
    assert {service["id"] for service in services} == {answer.json()["instance_id"] for answer in answers}
    assert len(services) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("token", ["ünï-çødé", "a/b", "100%", "a?b#c", "naïve+plus"])
async def test_any_token_can_be_a_session(bus: NatsServer, http: httpx.Client, token: str) -> None:
    """What the token rule allows arrives unchanged in subjects, and the abort path leads back to it."""
    body = http.post(f"/agent/{quote(token, safe='')}", json={"owner": token}).json()
    assert body["subjects"] == subjects_of(token, token)
    async with Caller.connected(bus.url) as caller:
        assert text_of(await caller.prompt(body["subjects"]["prompt"], "hello")) == "hello"
    assert http.post(body["abort"]).json() == {"stopped": [token]}


def test_the_status_route_shows_the_state(http: httpx.Client, session: str) -> None:
    """A running agent is ready; a stopped one is stopped, with the cause."""
    started = http.post(f"/agent/{session}").json()
    assert http.get(f"/agent/{session}").json() == started
    http.post(f"/control/abort/{session}")
    stopped = http.get(f"/agent/{session}").json()
    assert (stopped["state"], stopped["cause"]) == ("stopped", "it was aborted")
    assert "instance_id" not in stopped


@pytest.mark.anyio
async def test_an_aborted_agent_has_left_the_bus(bus: NatsServer, http: httpx.Client, session: str) -> None:
    """Its subjects have no responders, and discovery does not list it."""
    body = http.post(f"/agent/{session}").json()
    assert http.post(body["abort"]).json() == {"stopped": [session]}
    async with Caller.connected(bus.url) as caller:
        frame = await (await caller.send(body["subjects"]["prompt"], b"hello")).next()
        assert frame.headers["Status"] == "503"
        assert session not in [service["metadata"]["session"] for service in await caller.services()]


def test_an_abort_is_idempotent(http: httpx.Client, session: str) -> None:
    """The second abort succeeds and stops nothing."""
    http.post(f"/agent/{session}")
    assert http.post(f"/control/abort/{session}").json() == {"stopped": [session]}
    assert http.post(f"/control/abort/{session}").json() == {"stopped": []}


def test_a_later_abort_moves_the_time_of_the_stop(http: httpx.Client, session: str) -> None:
    """A start that was deferred between two aborts can see that the second one concerns it."""
    http.post(f"/agent/{session}")
    times: list[str] = []
    for _ in range(2):
        http.post(f"/control/abort/{session}")
        seen = http.get(f"/agent/{session}").json()
        assert (seen["state"], seen["cause"]) == ("stopped", "it was aborted")
        times.append(seen["stopped_at"])
    assert times[0] < times[1]


def test_an_abort_before_any_start_is_remembered(http: httpx.Client, session: str) -> None:
    """A start that was deferred before it can see that it is not wanted any more."""
    assert http.get(f"/agent/{session}").status_code == 404
    assert http.post(f"/control/abort/{session}").json() == {"stopped": []}
    seen = http.get(f"/agent/{session}").json()
    assert (seen["state"], seen["cause"]) == ("stopped", "it was aborted before it was started")
    assert seen["stopped_at"]


def test_an_aborted_session_can_start_again_with_other_settings(http: httpx.Client, session: str) -> None:
    """An abort forgets the agent, so nothing conflicts with a new one."""
    first = http.post(f"/agent/{session}").json()
    http.post(f"/control/abort/{session}")
    second = http.post(f"/agent/{session}", json={"owner": "other"})
    assert second.status_code == 201
    assert second.json()["instance_id"] != first["instance_id"]


@pytest.mark.anyio
async def test_starts_and_aborts_in_any_order_leave_one_or_none(bus: NatsServer, worker: Workerd, session: str) -> None:
    """However they overlap, none fails, and the last one decides."""
    async with (
        httpx.AsyncClient(base_url=worker.url, timeout=60, trust_env=False) as client,
        Caller.connected(bus.url) as caller,
    ):

        async def on_the_bus() -> int:
            return [service["metadata"]["session"] for service in await caller.services()].count(session)

        paths = [f"/agent/{session}", f"/control/abort/{session}", "/control/abort"]
        answers = await asyncio.gather(*(client.post(paths[n % 3]) for n in range(30)))
        assert [answer.text for answer in answers if answer.status_code not in (200, 201)] == []
        await client.post(paths[0])
        assert await on_the_bus() == 1
        assert session in (await client.post("/control/abort")).json()["stopped"]
        assert await on_the_bus() == 0


@pytest.fixture
def private(bus: NatsServer, tmp_path: Path) -> Iterator[httpx.Client]:
    """Return a client of a Worker of this test's own, with an owner set."""
    variables = {"NATS_WS_URL": bus.ws_url, "OPEN_AGENT_OWNER": "team"}
    with Workerd(tmp_path, variables) as server, server.client() as client:
        yield client


def test_the_owner_of_the_body_wins_over_the_var(private: httpx.Client) -> None:
    """Body, then the Worker's var; empty counts as unset."""
    assert private.post("/agent/a", json={"owner": "ada"}).json()["owner"] == "ada"
    assert private.post("/agent/b").json()["owner"] == "team"
    assert private.post("/agent/c", json={"owner": ""}).json()["owner"] == "team"


def test_abort_all_stops_all_of_this_worker(private: httpx.Client) -> None:
    """Without a session every agent stops, and the answer names them."""
    for session in ["a", "b", "c"]:
        private.post(f"/agent/{session}")
    private.post("/control/abort/b")
    assert sorted(private.post("/control/abort").json()["stopped"]) == ["a", "c"]
    assert private.post("/control/abort").json() == {"stopped": []}
