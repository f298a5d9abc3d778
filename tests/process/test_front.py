"""What a user sees when something in front of the Worker answers."""

import json
from collections.abc import Iterator

import pytest

from tests.support import manners
from tests.support.front import FRONTS, SECRET, Front
from tests.support.manners import Call, Server
from tests.support.program import Program, outcome
from tests.support.specs import spec
from tests.support.stub import Asked, Reply, WorkerStub

ONCE = {"CF_WORKER_HEALTHCHECK_RETRIES": "1"}
PROBE_ONLY = {**ONCE, "CF_WORKER_BOOTSTRAP": "0"}
SERVICE_TOKEN = {"CF_ACCESS_CLIENT_ID": "id.access", "CF_ACCESS_CLIENT_SECRET": "hush-access"}


class FrontedWorker(WorkerStub):
    """A Worker that something answers for: everything, or all but its health."""

    def __init__(self, front: Front, *, spares_health: bool = False) -> None:
        super().__init__()
        self._front = front
        self._spares_health = spares_health

    def answer(self, asked: Asked) -> Reply:
        if self._spares_health and asked.line == "GET /health":
            return super().answer(asked)
        self.asked.append(asked)
        return self._front.reply


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
def test_a_page_never_makes_a_handle_ready(program: Program, front: Front) -> None:
    with FrontedWorker(front) as worker:
        ended = program.run(spec(worker.url), env=PROBE_ONLY)
    status, message = outcome(ended)
    assert status == "failed"
    assert message.startswith(f"healthcheck: {front.words}")
    assert SECRET not in ended.err + ended.out.decode()


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
def test_who_answered_a_start_is_named(program: Program, front: Front) -> None:
    with FrontedWorker(front, spares_health=True) as worker:
        ended = program.run(spec(worker.url), env=ONCE)
    status, message = outcome(ended)
    assert status == "failed"
    assert message.startswith(f"start: {front.words}")
    assert SECRET not in ended.err + ended.out.decode()


@pytest.fixture
def handle_of(program: Program) -> Iterator[tuple[FrontedWorker, bytes]]:
    with FrontedWorker(FRONTS["a challenge"]) as worker:
        spawned = program.run(spec(worker.url), env={"CF_WORKER_HEALTHCHECK": "0"})
        yield worker, spawned.out.replace(b"status: pending", b"status: ready")


@pytest.mark.parametrize(("verb", "what"), [("--abort", "abort"), ("--teardown", "abort")])
def test_who_answered_a_verb_is_named(program: Program, verb: str, what: str, handle_of: tuple[object, bytes]) -> None:
    ended = program.run(handle_of[1], verb, env=ONCE)
    assert (ended.code, ended.out) == (70, b"")
    assert f"{what}: {FRONTS['a challenge'].words}" in ended.err


def test_who_answered_status_is_named(program: Program, handle_of: tuple[object, bytes]) -> None:
    status, message = outcome(program.run(handle_of[1], "--status", env=ONCE))
    assert status == "failed"
    assert message.startswith(f"status: {FRONTS['a challenge'].words}")


def test_a_worker_behind_access_gets_the_service_token(program: Program) -> None:
    def starter(asked: Asked) -> Reply:
        return Reply(401, {"error": "unauthorized", "message": f"got {asked.headers['cf-access-client-secret']}"})

    with WorkerStub(starter) as worker:
        ended = program.run(spec(worker.url), env={**ONCE, **SERVICE_TOKEN})
    for asked in worker.asked:
        assert asked.headers["cf-access-client-id"] == "id.access"
        assert asked.headers["cf-access-client-secret"] == "hush-access"
    assert "hush-access" not in ended.err + ended.out.decode()


@pytest.mark.parametrize("missing", SERVICE_TOKEN)
def test_half_a_service_token_is_64(program: Program, missing: str) -> None:
    env = {name: value for name, value in SERVICE_TOKEN.items() if name != missing}
    ended = program.run(spec("http://127.0.0.1:1"), env=env)
    assert (ended.code, ended.out) == (64, b"")
    assert f"is set without {missing}; set both or neither" in ended.err
    assert "hush-access" not in ended.err


def test_a_service_token_over_plain_http_is_64(program: Program) -> None:
    ended = program.run(spec("http://worker.example"), env=SERVICE_TOKEN)
    assert (ended.code, ended.out) == (64, b"")
    assert "CF_ACCESS_CLIENT_SECRET would be sent unencrypted" in ended.err


def test_a_malformed_header_is_not_shown(program: Program) -> None:
    """A server that sends back what it got, in the place of a header."""

    def echo(call: Call) -> None:
        call.peer.sendall(f"HTTP/1.1 200 OK\r\nX-Echo {call.head.headers.get('authorization')}\r\n\r\n".encode())

    with Server(manners.in_turn(manners.ok, echo)) as server:
        ended = program.run(spec(server.url), env={**ONCE, "CF_WORKER_TOKEN": "hush-hush"})
    assert outcome(ended) == ("failed", f"start: the answer is not HTTP (127.0.0.1:{server.port})")
    assert "hush" not in ended.err


def test_an_answer_that_is_not_utf8_fails_the_handle(program: Program) -> None:
    with WorkerStub(lambda _: Reply(201, b'{"subjects":{"prompt":"\xfc"}}')) as worker:
        ended = program.run(spec(worker.url), env=ONCE)
    assert outcome(ended)[0] == "failed"
    assert json.dumps(outcome(ended)[1]).startswith('"start: the Worker')
