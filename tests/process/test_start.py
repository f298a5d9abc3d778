"""The start of the agent, against a Worker that says what a real one cannot be made to say."""

import os

import pytest

from tests.support.certificates import Authority
from tests.support.http_proxy import Proxy
from tests.support.program import Program, handle, outcome
from tests.support.specs import spec
from tests.support.stub import Starter, WorkerStub, error, reply, started
from tests.support.systems import needs_full_device

TOKEN = "hush-hush-hush"
WITH_TOKEN = {"CF_WORKER_TOKEN": TOKEN}


def test_a_started_agent_is_ready(program: Program) -> None:
    with WorkerStub(started()) as worker:
        ended = program.run(spec(worker.url), env={})
    assert outcome(ended) == ("ready", "")
    assert ended.err == ""
    assert worker.lines == ["GET /health", "POST /agent/lead"]
    assert handle(ended)["abort"]["target"] == f"{worker.url}/control/abort/lead"


def test_an_agent_that_runs_already_is_ready(program: Program) -> None:
    with WorkerStub(started(200)) as worker:
        assert outcome(program.run(spec(worker.url))) == ("ready", "")


def test_the_worker_learns_what_the_spec_says(program: Program) -> None:
    more = ["owner: ann", "session: s-1", "description: does a thing", "labels: {team: blue}", "cwd: /tmp"]
    with WorkerStub(started()) as worker:
        ended = program.run(spec(worker.url, *more))
    assert worker.lines[1] == "POST /agent/s-1"
    assert worker.asked[1].json == {
        "name": "lead",
        "agent": "echo",
        "owner": "ann",
        "labels": {"team": "blue"},
        "description": "does a thing",
    }
    assert handle(ended)["bus"]["prompt"] == "agents.prompt.open-agent.ann.s-1"


def test_only_open_agent_variables_leave_the_machine(program: Program) -> None:
    env = "env: {OPEN_AGENT_MODEL_ID: m, AWS_SECRET_ACCESS_KEY: hush, PATH: /bin}"
    with WorkerStub(started()) as worker:
        ended = program.run(spec(worker.url, env))
    assert worker.asked[1].json["env"] == {"OPEN_AGENT_MODEL_ID": "m"}
    assert ended.lines == [
        "line 3, column 6: env: only OPEN_AGENT_* is sent to the Worker, not AWS_SECRET_ACCESS_KEY, PATH"
    ]
    assert not any(b"hush" in asked.body for asked in worker.asked)


def test_the_session_is_escaped_in_the_path(program: Program) -> None:
    with WorkerStub(started()) as worker:
        ended = program.run(spec(worker.url, "session: ü/?#%&"))
    assert worker.lines[1] == "POST /agent/%C3%BC%2F%3F%23%25%26"
    assert handle(ended)["session"] == "ü/?#%&"
    assert handle(ended)["status"] == "ready"


def test_a_base_path_is_kept(program: Program) -> None:
    with WorkerStub(started(), base="/base") as worker:
        ended = program.run(spec(worker.url))
    assert worker.lines == ["GET /base/health", "POST /base/agent/lead"]
    assert handle(ended)["abort"]["target"] == f"{worker.url}/control/abort/lead"


def test_a_start_that_comes_late_is_ready(program: Program) -> None:
    with WorkerStub(error(503, "bus", "the bus cannot be reached"), started()) as worker:
        ended = program.run(spec(worker.url))
    assert outcome(ended) == ("ready", "")
    assert ended.lines == ["start attempt 1/3: HTTP 503: the bus cannot be reached"]


REFUSALS: dict[str, tuple[Starter, str]] = {
    "401": (error(401, "unauthorized", "say who you are"), "set CF_WORKER_TOKEN"),
    "403": (error(403, "forbidden", "wrong"), "set CF_WORKER_TOKEN"),
    "409": (
        error(409, "conflict", "it runs as pi"),
        "the session already runs with other settings (HTTP 409): it runs",
    ),
    "400": (error(400, "bad_request", "what is this"), "start: HTTP 400: what is this"),
    "413": (reply(413, b"too large"), "start: HTTP 413"),
    "a redirect": (reply(308, location="/elsewhere"), "start: the Worker redirects (HTTP 308); use its final URL"),
    "a page": (reply(200, b"<html>log in</html>"), "start: HTTP 200 with a web page, not from the Worker"),
    "nothing": (reply(200), "start: the Worker's answer does not name the agent's subjects"),
    "garbage": (reply(201, b"\xff\x00{"), "start: the Worker's answer does not name the agent's subjects"),
    "numbers for subjects": (
        reply(201, {"subjects": {"prompt": 1}}),
        "start: the Worker's answer does not name the agent's subjects",
    ),
    "another owner": (
        started(prompt="agents.prompt.open-agent.eve.lead"),
        "start: the agent listens on agents.prompt.open-agent.eve.lead, not on agents.prompt.open-agent.worker.lead",
    ),
    "another signal": (
        started(signal="orch.signal.x"),
        "start: the agent listens on orch.signal.x, not on orch.signal",
    ),
    "an abort that cannot be": (started(abort="/a b"), "start: the Worker names an unusable abort path"),
}


@pytest.mark.parametrize(("starter", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_start_is_failed_with_the_cause(program: Program, starter: Starter, words: str) -> None:
    with WorkerStub(starter) as worker:
        ended = program.run(spec(worker.url))
    status, message = outcome(ended)
    assert status == "failed"
    assert words in message
    assert words in ended.lines[-1]


def test_a_failed_handle_keeps_bus_and_abort(program: Program) -> None:
    with WorkerStub(error(403, "forbidden", "no")) as worker:
        read = handle(program.run(spec(worker.url)))
    assert read["bus"]["prompt"] == "agents.prompt.open-agent.worker.lead"
    assert read["abort"] == {"kind": "http-post", "target": f"{worker.url}/control/abort/lead"}


def test_a_handle_for_a_session_that_is_taken_has_no_abort(program: Program) -> None:
    with WorkerStub(error(409, "conflict", "other settings")) as worker:
        read = handle(program.run(spec(worker.url)))
    assert read["status"] == "failed"
    assert "abort" not in read


def test_a_bus_that_stays_away_is_failed_after_the_retries(program: Program) -> None:
    away = error(503, "bus", "the bus cannot be reached")
    with WorkerStub(away, away, away) as worker:
        ended = program.run(spec(worker.url))
    assert outcome(ended) == ("failed", "start: HTTP 503: the bus cannot be reached (after 3 attempts)")


@pytest.mark.parametrize("status", [404, 405])
def test_a_worker_without_that_route_is_ready_on_its_health(program: Program, status: int) -> None:
    with WorkerStub(reply(status)) as worker:
        ended = program.run(spec(worker.url))
    assert outcome(ended) == ("ready", "")
    assert ended.lines[0].startswith("the Worker has no POST /agent/<session>")
    assert handle(ended)["abort"]["target"] == f"{worker.url}/control/abort"


@pytest.mark.parametrize("switch", ["0", "false", "OFF"])
def test_the_start_can_be_left_out(program: Program, switch: str) -> None:
    with WorkerStub() as worker:
        ended = program.run(spec(worker.url), env={"CF_WORKER_BOOTSTRAP": switch})
    assert outcome(ended) == ("ready", "")
    assert worker.lines == ["GET /health"]


def test_the_token_goes_to_the_start_and_is_never_shown(program: Program) -> None:
    with WorkerStub(error(400, "bad", f"not {TOKEN}"), token=TOKEN) as worker:
        ended = program.run(spec(worker.url), env=WITH_TOKEN)
    assert outcome(ended) == ("failed", "start: HTTP 400: not ***")
    assert TOKEN not in ended.err
    assert "authorization" not in worker.asked[0].headers


def test_a_refused_token_names_its_variable(program: Program) -> None:
    with WorkerStub(error(403, "forbidden", "wrong"), token=TOKEN) as worker:
        ended = program.run(spec(worker.url), env=WITH_TOKEN)
    assert "the Worker refuses the token (HTTP 403); set CF_WORKER_TOKEN" in outcome(ended)[1]


def test_a_token_over_plain_http_is_refused(program: Program) -> None:
    with Proxy() as proxy:
        ended = program.run(spec("http://worker.example"), env={**WITH_TOKEN, "http_proxy": proxy.url})
    assert (ended.code, ended.out) == (64, b"")
    assert "CF_WORKER_TOKEN" in ended.err
    assert TOKEN not in ended.err
    assert proxy.heads == []


def test_a_token_over_https_is_sent(program: Program, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    env = {**WITH_TOKEN, "SSL_CERT_FILE": str(authority.file)}
    with WorkerStub(started(), token=TOKEN, tls=authority.server("127.0.0.1")) as worker:
        assert outcome(program.run(spec(worker.url), env=env)) == ("ready", "")


def test_the_workers_capability_becomes_the_abort(program: Program) -> None:
    with WorkerStub(started(abort="/control/abort/lead?cap=abc_-1"), token=TOKEN) as worker:
        ended = program.run(spec(worker.url), env=WITH_TOKEN)
    assert handle(ended)["abort"]["target"] == f"{worker.url}/control/abort/lead?cap=abc_-1"


def test_an_endpoint_of_the_spec_wins_over_the_workers(program: Program) -> None:
    with WorkerStub(started(abort="/control/abort/lead?cap=abc"), token=TOKEN) as worker:
        block = "abort_endpoint: /stop/{session}"
        ended = program.run(spec(worker.url, "session: a/b", block=block), env=WITH_TOKEN)
    assert handle(ended)["abort"]["target"] == f"{worker.url}/stop/a%2Fb"


def test_an_empty_endpoint_leaves_the_handle_without_abort(program: Program) -> None:
    with WorkerStub(started()) as worker:
        ended = program.run(spec(worker.url, block='abort_endpoint: ""'))
    assert "abort" not in handle(ended)
    assert handle(ended)["status"] == "ready"


@needs_full_device
def test_an_agent_whose_handle_is_lost_is_stopped_again(program: Program) -> None:
    with WorkerStub(started(abort="/control/abort/lead?cap=abc"), token=TOKEN) as worker:
        ended = program.run(spec(worker.url), env=WITH_TOKEN, within='exec "$@" > /dev/full')
    assert (ended.code, ended.out) == (70, b"")
    assert worker.lines[-1] == "POST /control/abort/lead?cap=abc"
    assert "the agent was stopped, since its handle could not be delivered" in ended.lines


@needs_full_device
def test_an_agent_that_was_running_before_is_left_alone(program: Program) -> None:
    """It ran before: another handle leads to it."""
    with WorkerStub(started(200)) as worker:
        ended = program.run(spec(worker.url), within='exec "$@" > /dev/full')
    assert ended.code == 70
    assert worker.lines == ["GET /health", "POST /agent/lead"]


def test_no_agent_is_started_for_a_stdout_that_is_closed(program: Program) -> None:
    with WorkerStub() as worker:
        ended = program.run(spec(worker.url), within='exec "$@" >&-')
    assert ended.code == 70
    assert worker.lines == []


def test_an_agent_whose_reader_has_gone_is_stopped_again(program: Program) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with WorkerStub(started()) as worker:
            ended = program.run(spec(worker.url), stdout=writer)
    finally:
        os.close(writer)
    assert ended.code == 70
    assert worker.lines == ["GET /health", "POST /agent/lead", "POST /control/abort/lead"]
