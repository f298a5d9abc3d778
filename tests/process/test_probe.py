"""The probe as a user sees it, against servers of good and bad manners."""

import socket

import pytest

from tests.support import manners
from tests.support.manners import HEALTHY, STALLED, UNHEALTHY, Manner, Server, targets
from tests.support.program import Program, handle, outcome
from tests.support.specs import spec

PROBE_ONLY = {"CF_WORKER_BOOTSTRAP": "0"}
ONCE = {**PROBE_ONLY, "CF_WORKER_HEALTHCHECK_RETRIES": "1"}
BRIEF = {**ONCE, "CF_WORKER_HEALTHCHECK_TIMEOUT_MS": "500"}


@pytest.mark.parametrize("manner", HEALTHY.values(), ids=HEALTHY)
def test_a_2xx_is_ready(program: Program, manner: Manner) -> None:
    with Server(manner) as server:
        ended = program.run(spec(server.url), env=PROBE_ONLY)
    assert outcome(ended) == ("ready", "")


@pytest.mark.parametrize(("manner", "words"), UNHEALTHY.values(), ids=UNHEALTHY)
def test_anything_else_is_failed_with_the_cause(program: Program, manner: Manner, words: str) -> None:
    with Server(manner) as server:
        ended = program.run(spec(server.url), env=ONCE)
    status, message = outcome(ended)
    assert status == "failed"
    assert message.startswith(f"healthcheck: {words}")
    assert ended.lines[0].startswith(f"healthcheck attempt 1/1: {words}")


@pytest.mark.parametrize("manner", STALLED.values(), ids=STALLED)
def test_an_attempt_ends_by_the_clock(program: Program, manner: Manner) -> None:
    with Server(manner) as server:
        ended = program.run(spec(server.url), env=BRIEF)
    assert outcome(ended) == ("failed", f"healthcheck: timed out after 500 ms (127.0.0.1:{server.port})")


def test_a_server_that_never_accepts_is_given_up_by_the_clock(program: Program) -> None:
    with Server(manners.ok, accepts=False) as server:
        ended = program.run(spec(server.url), env=BRIEF)
    assert outcome(ended) == ("failed", f"healthcheck: timed out after 500 ms (127.0.0.1:{server.port})")


def test_nobody_listens(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    ended = program.run(spec(f"http://127.0.0.1:{port}"), env=PROBE_ONLY)
    cause = f"connection refused (127.0.0.1:{port})"
    assert outcome(ended) == ("failed", f"healthcheck: {cause} (after 3 attempts)")
    assert ended.lines == [
        f"healthcheck attempt 1/3: {cause}",
        f"healthcheck attempt 2/3: {cause}",
        f"healthcheck attempt 3/3: {cause}",
        f"lead failed: healthcheck: {cause} (after 3 attempts)",
    ]


def test_a_name_that_nobody_has(program: Program) -> None:
    status, message = outcome(program.run(spec("http://nobody.invalid"), env=ONCE))
    assert status == "failed"
    assert message.startswith("healthcheck: the name nobody.invalid was not found")


def test_no_more_is_asked_than_needed(program: Program) -> None:
    with Server(manners.in_turn(manners.status(503), manners.ok)) as server:
        ended = program.run(spec(server.url + "/base/"), env=PROBE_ONLY)
    assert targets(server.heads) == ["GET /base/health"] * 2
    assert ended.lines == ["healthcheck attempt 1/3: HTTP 503"]
    assert handle(ended)["id"] == server.url + "/base"


def test_attempts_are_as_many_as_set(program: Program) -> None:
    with Server(manners.status(500)) as server:
        ended = program.run(spec(server.url), env={**PROBE_ONLY, "CF_WORKER_HEALTHCHECK_RETRIES": "5"})
    assert targets(server.heads) == ["GET /health"] * 5
    assert outcome(ended)[1] == "healthcheck: HTTP 500 (after 5 attempts)"


def test_each_request_names_program_and_version(program: Program) -> None:
    version = program.run(b"", "--version").out.decode().split()
    with Server(manners.ok) as server:
        program.run(spec(server.url), env=PROBE_ONLY)
    assert server.heads[0].headers["user-agent"] == "/".join(version)


def test_diagnostics_appear_as_they_happen(program: Program) -> None:
    with (
        Server(manners.in_turn(manners.status(503), manners.silent())) as server,
        program.start(env=PROBE_ONLY) as running,
    ):
        running.feed(spec(server.url))
        running.wait_for("healthcheck attempt 1/3: HTTP 503")
        assert running.child.poll() is None


def test_without_a_probe_there_is_no_request(program: Program) -> None:
    with Server(manners.ok) as server:
        ended = program.run(spec(server.url), env={"CF_WORKER_HEALTHCHECK": "off"})
    status, message = outcome(ended)
    assert (status, server.heads) == ("pending", [])
    assert "CF_WORKER_HEALTHCHECK" in message


def test_the_environment_names_the_worker(program: Program) -> None:
    with Server(manners.ok) as server:
        env = {**PROBE_ONLY, "CF_WORKER_URL": f"{server.url}/"}
        ended = program.run(spec("https://elsewhere.invalid"), env=env)
    assert (handle(ended)["id"], handle(ended)["status"]) == (server.url, "ready")
