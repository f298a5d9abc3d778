"""The conversation with the Worker, by a script of answers."""

import msgspec
import pytest

from exec_cf import document, settings, worker
from exec_cf.errors import Code, Diagnostic
from exec_cf.http import RequestError, Response
from exec_cf.messages import BusBlock
from exec_cf.plan import Plan, plan
from exec_cf.settings import Settings
from tests.support.specs import spec
from tests.support.world import Script, started

READ = settings.read({})[0]
TOKEN = "hush-hush"
WITH_TOKEN = settings.read({"CF_WORKER_TOKEN": TOKEN})[0]
ONCE = msgspec.structs.replace(READ, retries=1)


def make_plan(*more: str) -> Plan:
    return plan(document.read(spec("https://h/base", *more)), READ)[0]


PLAN = make_plan()


class Talk:
    """A line to a scripted Worker."""

    def __init__(self, *answers: Response | RequestError) -> None:
        self.script = Script(*answers)
        self.slept: list[float] = []
        self.told: list[Diagnostic] = []
        self.line = worker.Line(self.script, self.slept.append, self.told.append)

    @property
    def lines(self) -> list[str]:
        return [problem.message for problem in self.told]


def json(status: int, body: object) -> Response:
    return Response(status, msgspec.json.encode(body))


def cause(talk: Talk, read: Settings = ONCE, by: Plan = PLAN) -> str:
    with pytest.raises(worker.Unavailable) as unavailable:
        worker.start(by, read, talk.line)
    return str(unavailable.value)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_healthy(status: int) -> None:
    talk = Talk(Response(status))
    worker.probe(PLAN, READ, talk.line)
    (request,) = talk.script.requests
    assert (request.method, request.url, request.timeout_ms) == ("GET", "https://h/base/health", 5000)
    assert not request.read_body
    assert (talk.slept, talk.told) == ([], [])


def test_the_probe_carries_no_token() -> None:
    talk = Talk(Response(200))
    worker.probe(PLAN, WITH_TOKEN, talk.line)
    assert talk.script.requests[0].headers == {}


def test_a_pause_stands_between_attempts_and_each_is_told() -> None:
    talk = Talk(Response(503), RequestError("connection refused"), Response(200))
    worker.probe(PLAN, READ, talk.line)
    assert talk.slept == [0.25, 0.25]
    assert talk.lines == ["healthcheck attempt 1/3: HTTP 503", "healthcheck attempt 2/3: connection refused"]
    assert {problem.code for problem in talk.told} == {Code.ATTEMPT}


def test_the_last_cause_is_the_one_that_is_told() -> None:
    talk = Talk(Response(500), Response(199), RequestError("the connection was reset"))
    with pytest.raises(worker.Unavailable, match=r"^healthcheck: the connection was reset \(after 3 attempts\)$"):
        worker.probe(PLAN, READ, talk.line)


def test_one_attempt_is_not_counted() -> None:
    with pytest.raises(worker.Unavailable, match=r"^healthcheck: HTTP 404$"):
        worker.probe(PLAN, ONCE, Talk(Response(404)).line)


def test_what_a_peer_says_is_made_printable() -> None:
    talk = Talk(RequestError("\x1b[2J"))
    with pytest.raises(worker.Unavailable, match=r"^healthcheck: \\x1b\[2J$"):
        worker.probe(PLAN, ONCE, talk.line)


def test_the_start_says_what_the_plan_holds() -> None:
    planned = make_plan("session: s/1", "owner: ann", "labels: {a: b}", "description: d", "env: {OPEN_AGENT_X: y}")
    talk = Talk(started(planned.bus))
    worker.start(planned, WITH_TOKEN, talk.line)
    (request,) = talk.script.requests
    assert (request.method, request.url, request.timeout_ms) == ("POST", "https://h/base/agent/s%2F1", 15_000)
    assert request.headers == {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    assert msgspec.json.decode(request.body) == {
        "name": "lead",
        "agent": "echo",
        "owner": "ann",
        "labels": {"a": "b"},
        "description": "d",
        "env": {"OPEN_AGENT_X": "y"},
    }


def test_the_start_leaves_out_what_is_empty() -> None:
    talk = Talk(started(PLAN.bus))
    worker.start(PLAN, READ, talk.line)
    assert msgspec.json.decode(talk.script.requests[0].body) == {"name": "lead", "agent": "echo", "owner": "worker"}
    assert "authorization" not in talk.script.requests[0].headers


@pytest.mark.parametrize(("status", "created"), [(201, True), (200, False)])
def test_a_start_tells_whether_it_made_the_agent(status: int, created: bool) -> None:
    begun = worker.start(PLAN, READ, Talk(started(PLAN.bus, status)).line)
    assert begun == worker.Started("https://h/base/control/abort/lead", created=created)


@pytest.mark.parametrize("first", [RequestError("timed out after 15000 ms"), Response(503)])
def test_a_start_that_had_no_answer_before_cannot_tell_who_made_it(first: Response | RequestError) -> None:
    begun = worker.start(PLAN, READ, Talk(first, started(PLAN.bus, 200)).line)
    assert (begun.created, begun.maybe_started) == (False, True)
    with pytest.raises(worker.Unavailable) as unavailable:
        worker.start(PLAN, ONCE, Talk(first).line)
    assert unavailable.value.maybe_started


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"state": "starting"}, "start: the Worker says that the agent is starting"),
        ({"state": "\x9b31m" + "x" * 999}, "start: the Worker says that the agent is \\x9b31m" + "x" * 293 + "…"),
        ({"agent": "pi"}, "start: the session runs pi, not echo"),
    ],
)
def test_another_agent_or_one_that_does_not_listen_is_no_start(more: dict[str, str], words: str) -> None:
    answer = json(201, {"subjects": msgspec.to_builtins(PLAN.bus), **more})
    assert cause(Talk(answer)) == words


@pytest.mark.parametrize("state", ["ready", "busy"])
def test_an_agent_that_listens_is_started(state: str) -> None:
    answer = json(200, {"subjects": msgspec.to_builtins(PLAN.bus), "state": state, "agent": "echo"})
    assert worker.start(PLAN, READ, Talk(answer).line) == worker.Started()


def test_what_a_worker_says_of_a_session_is_cut_and_tells_no_secret() -> None:
    said = f"\x1b[2J {TOKEN} " + "x" * 999
    talk = Talk(json(200, {"state": said, "cause": said}))
    seen = worker.look(PLAN, WITH_TOKEN, talk.line)
    for text in (seen.state, seen.cause):
        assert text.startswith("\\x1b[2J *** x")
        assert len(text) == 301


@pytest.mark.parametrize(
    ("path", "abort"),
    [
        ("/control/abort/lead?cap=x", "https://h/base/control/abort/lead?cap=x"),
        ("/../x", ""),
        ("https://i/x", ""),
        (None, ""),
    ],
)
def test_where_a_session_is_stopped(path: str | None, abort: str) -> None:
    assert worker.look(PLAN, READ, Talk(json(200, {"state": "ready", "abort": path})).line).abort == abort


@pytest.mark.parametrize("status", [404, 405])
def test_a_worker_without_the_route_is_taken_for_a_start_and_told(status: int) -> None:
    talk = Talk(Response(status))
    assert worker.start(PLAN, READ, talk.line) == worker.Started()
    assert [problem.code for problem in talk.told] == [Code.NO_ROUTE]
    assert f"HTTP {status}" in talk.lines[0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    talk = Talk(json(status, {"error": "bus", "message": "no bus"}), started(PLAN.bus))
    worker.start(PLAN, READ, talk.line)
    assert talk.lines == [f"start attempt 1/3: HTTP {status}: no bus"]


@pytest.mark.parametrize("status", [400, 401, 403, 409, 410, 413, 415, 301, 308])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    talk = Talk(Response(status))
    assert cause(talk, READ).startswith("start: ")
    assert len(talk.script.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Response(401), "start: the Worker wants a token (HTTP 401); set CF_WORKER_TOKEN to its CONTROL_TOKEN"),
        (Response(403), "start: the Worker refuses the token (HTTP 403); set CF_WORKER_TOKEN to its CONTROL_TOKEN"),
        (json(409, {"message": "as pi"}), "start: the session runs already with other settings (HTTP 409): as pi"),
        (json(400, {"message": "\x1b[31m" + "x" * 999}), "start: HTTP 400: \\x1b[31m" + "x" * 292 + "…"),
        (json(400, {"message": 3}), "start: HTTP 400"),
        (Response(400, b"\xff"), "start: HTTP 400"),
        (Response(307), "start: the Worker redirects (HTTP 307); name its final URL"),
        (Response(503), "start: HTTP 503"),
        (RequestError("timed out after 15000 ms"), "start: timed out after 15000 ms"),
    ],
)
def test_causes(answer: Response | RequestError, words: str) -> None:
    assert cause(Talk(answer)) == words


def test_a_refused_token_differs_from_a_missing_one() -> None:
    once = msgspec.structs.replace(WITH_TOKEN, retries=1)
    assert "refuses the token (HTTP 401)" in cause(Talk(Response(401)), once)


@pytest.mark.parametrize("status", [400, 409, 503])
def test_a_token_that_comes_back_is_not_shown(status: int) -> None:
    once = msgspec.structs.replace(WITH_TOKEN, retries=1)
    talk = Talk(json(status, {"message": f"got {TOKEN}"}))
    assert cause(talk, once).endswith(": got ***")
    assert TOKEN not in "".join(talk.lines)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"<html>", b'{"subjects":{}', b'{"subjects":1}', b"\xff"])
@pytest.mark.parametrize("status", [200, 201])
def test_an_answer_without_subjects_is_no_start(status: int, body: bytes) -> None:
    assert "does not name the agent's subjects" in cause(Talk(Response(status, body)))


@pytest.mark.parametrize("field", BusBlock.__struct_fields__)
def test_any_other_subject_is_no_start(field: str) -> None:
    other = msgspec.structs.replace(PLAN.bus, **{field: "agents.elsewhere"})
    assert cause(Talk(started(other))).startswith("start: the agent listens on agents.elsewhere, not on ")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/control/abort/lead?cap=x", "https://h/base/control/abort/lead?cap=x"),
        ("", ""),
        ("https://evil/stop", ""),
    ],
)
def test_the_abort_that_the_worker_names_is_below_it(path: str, target: str) -> None:
    assert worker.start(PLAN, READ, Talk(started(PLAN.bus, abort=path)).line).abort == target


@pytest.mark.parametrize("path", ["//evil/stop", "/\\evil", "/a b", "/a\nb"])
def test_an_abort_that_could_lead_elsewhere_is_no_start(path: str) -> None:
    assert "unusable abort path" in cause(Talk(started(PLAN.bus, abort=path)))


def test_fields_that_come_later_change_nothing() -> None:
    body = msgspec.json.decode(started(PLAN.bus).body) | {"later": [1, {"x": None}]}
    worker.start(PLAN, READ, Talk(json(201, body)).line)


@pytest.mark.parametrize("status", [200, 202, 204, 410])
def test_a_stop(status: int) -> None:
    talk = Talk(Response(status))
    worker.stop("https://h/base/stop", "https://h/base", WITH_TOKEN, talk.line)
    (request,) = talk.script.requests
    assert (request.method, request.url) == ("POST", "https://h/base/stop")
    assert request.headers == {"authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "target", ["https://other/stop", "http://h/stop", "https://h:8443/stop", "https://h.evil/stop"]
)
def test_a_stop_elsewhere_carries_no_token(target: str) -> None:
    talk = Talk(Response(200))
    worker.stop(target, "https://h/base", WITH_TOKEN, talk.line)
    assert talk.script.requests[0].headers == {}


@pytest.mark.parametrize("answer", [Response(403), Response(500), RequestError("connection refused")])
def test_no_stop(answer: Response | RequestError) -> None:
    with pytest.raises(worker.Unavailable, match=r"^abort: "):
        worker.stop("https://h/stop", "https://h", ONCE, Talk(answer).line)


@pytest.mark.parametrize("status", [404, 405])
def test_a_stop_that_is_not_served(status: int) -> None:
    with pytest.raises(worker.NoRoute, match=str(status)):
        worker.stop("https://h/stop", "https://h", ONCE, Talk(Response(status)).line)


@pytest.mark.parametrize("body", [b'{"x":' + b"[" * 60_000, b"[" * 60_000])
def test_an_answer_nested_without_end_is_no_answer(body: bytes) -> None:
    with pytest.raises(worker.Unavailable, match="is it this program's Worker"):
        worker.start(PLAN, ONCE, Talk(Response(200, body)).line)
