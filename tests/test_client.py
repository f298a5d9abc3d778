"""The client of a Worker, against answers from a script."""

from collections.abc import Callable, Mapping

import msgspec
import pytest

from exec_cf import document, settings
from exec_cf.answers import NoRouteError, Started, WorkerError
from exec_cf.client import Client
from exec_cf.errors import Code, Diagnostic
from exec_cf.http import Request, RequestError, Response
from exec_cf.plan import Plan, plan
from tests.support.front import FRONTS, Front
from tests.support.specs import spec
from tests.support.world import FakeWorld, Script, started

TOKEN = "hush-hush"
WITH_TOKEN = {"CF_WORKER_TOKEN": TOKEN}
ONCE = {"CF_WORKER_HEALTHCHECK_RETRIES": "1"}


def make_plan(*more: str) -> Plan:
    return plan(document.read(spec("https://h/base", *more)), settings.read({})[0])[0]


PLAN = make_plan()
UNKNOWN = Response(404, b'{"error":"not_found"}')


class Talk:
    """A client of a scripted Worker."""

    def __init__(self, *answers: Response | RequestError, environ: Mapping[str, str] | None = None) -> None:
        script = Script(*answers)
        self.world = FakeWorld(exchange=script)
        self.requests: list[Request] = script.requests
        self.notes: list[Diagnostic] = []
        self.client = Client(PLAN.base, settings.read(environ or {})[0], self.world, self.notes.append)

    @property
    def lines(self) -> list[str]:
        return [note.message for note in self.notes]


class TestProbe:
    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    def test_a_2xx_is_healthy(self, status: int) -> None:
        talk = Talk(Response(status))
        talk.client.probe()
        (request,) = talk.requests
        assert (request.method, request.url, request.timeout_ms) == ("GET", "https://h/base/health", 5000)
        assert not request.read_body
        assert (talk.world.slept, talk.notes) == ([], [])

    def test_it_carries_no_token(self) -> None:
        talk = Talk(Response(200), environ=WITH_TOKEN)
        talk.client.probe()
        assert talk.requests[0].headers == {}

    @pytest.mark.parametrize(
        ("reported", "is_older"),
        [("0.0.0", True), ("0.0.0-rc.1+g1", True), ("999.0.0", False), ("", False), ("odd", True)],
    )
    def test_a_worker_of_an_earlier_release_is_reported_with_the_way_to_update_it(
        self, reported: str, is_older: bool
    ) -> None:
        body = msgspec.json.encode({"ok": True, "agent": "open-agent", "version": reported, "auth": "token"})
        talk = Talk(Response(200, body))
        talk.client.probe()
        assert [note.code for note in talk.notes] == [Code.OLDER] * is_older
        assert all("--deploy worker.yaml" in note.hint for note in talk.notes)

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"[]", b'{"agent":"\xfc"}', b'{"agent": "another", "version": "0.0.0"}']
    )
    def test_what_is_not_this_programs_worker_has_no_release(self, body: bytes) -> None:
        talk = Talk(Response(200, body))
        talk.client.probe()
        assert talk.notes == []

    @pytest.mark.parametrize(("status", "is_absent"), [(404, True), (500, False), (403, False)])
    def test_404_says_that_there_is_no_worker(self, status: int, is_absent: bool) -> None:
        with pytest.raises(WorkerError) as error:
            Talk(Response(status), environ=ONCE).client.probe()
        assert error.value.is_absent is is_absent

    def test_attempts_are_apart_and_each_failed_one_is_reported(self) -> None:
        talk = Talk(Response(503), RequestError("connection refused"), Response(200))
        talk.client.probe()
        assert talk.world.slept == [0.25, 0.25]
        assert talk.lines == ["healthcheck attempt 1/3: HTTP 503", "healthcheck attempt 2/3: connection refused"]
        assert {note.code for note in talk.notes} == {Code.ATTEMPT}

    def test_the_last_cause_is_raised(self) -> None:
        talk = Talk(Response(500), Response(199), RequestError("the connection was reset"))
        with pytest.raises(WorkerError, match=r"^healthcheck: the connection was reset \(after 3 attempts\)$"):
            talk.client.probe()

    def test_a_single_attempt_is_not_counted(self) -> None:
        with pytest.raises(WorkerError, match=r"^healthcheck: HTTP 404$"):
            Talk(Response(404), environ=ONCE).client.probe()

    def test_what_a_peer_says_is_made_printable(self) -> None:
        with pytest.raises(WorkerError, match=r"^healthcheck: \\x1b\[2J$"):
            Talk(RequestError("\x1b[2J"), environ=ONCE).client.probe()

    @pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
    def test_a_page_never_makes_a_handle_ready(self, front: Front) -> None:
        body = front.reply.body
        came = Response(front.reply.status, body, front.reply.headers, f"{PLAN.base}/health")
        with pytest.raises(WorkerError) as error:
            Talk(came, environ=ONCE).client.probe()
        assert str(error.value).startswith(f"healthcheck: {front.words}")


SERVICE_TOKEN = {"CF_ACCESS_CLIENT_ID": "id.access", "CF_ACCESS_CLIENT_SECRET": "hush-access"}
SERVICE_TOKEN_HEADERS = {"cf-access-client-id": "id.access", "cf-access-client-secret": "hush-access"}


class TestServiceToken:
    def test_every_request_to_the_worker_carries_it(self) -> None:
        talk = Talk(Response(200), started(PLAN.bus), UNKNOWN, Response(200), environ={**SERVICE_TOKEN, **WITH_TOKEN})
        talk.client.probe()
        talk.client.start(PLAN)
        talk.client.status(PLAN)
        talk.client.stop("https://h/base/control/abort/lead", with_token=True)
        for request in talk.requests:
            assert dict(request.headers).items() >= SERVICE_TOKEN_HEADERS.items()

    @pytest.mark.parametrize("target", ["https://other/stop", "http://h/stop", "https://h:8443/stop"])
    def test_no_other_origin_gets_it(self, target: str) -> None:
        talk = Talk(Response(200), environ=SERVICE_TOKEN)
        talk.client.stop(target, with_token=False)
        assert talk.requests[0].headers == {}

    def test_what_comes_back_is_not_shown(self) -> None:
        body = msgspec.json.encode({"error": "x", "message": "got hush-access of id.access"})
        talk = Talk(Response(400, body), environ=SERVICE_TOKEN)
        with pytest.raises(WorkerError, match=r"^start: HTTP 400: got \*\*\* of \*\*\*$"):
            talk.client.start(PLAN)


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_is_honoured_if_it_fits_the_limit_of_an_attempt(self, status: int) -> None:
        talk = Talk(Response(status, headers={"retry-after": "2"}), Response(503), Response(200))
        talk.client.probe()
        assert talk.world.slept == [2.0, 0.25]

    def test_a_start_has_a_limit_of_its_own(self) -> None:
        talk = Talk(Response(429, headers={"retry-after": "15"}), started(PLAN.bus))
        talk.client.start(PLAN)
        assert talk.world.slept == [15.0]

    def test_beyond_it_the_seconds_are_named(self) -> None:
        talk = Talk(Response(503, headers={"retry-after": "3600"}), Response(200))
        talk.client.probe()
        assert talk.world.slept == [0.25]
        assert talk.lines == ["healthcheck attempt 1/3: HTTP 503; it asks to wait 3600 seconds"]

    @pytest.mark.parametrize("text", ["0", "soon", "-1", ""])
    def test_what_says_nothing_changes_nothing(self, text: str) -> None:
        talk = Talk(Response(503, headers={"retry-after": text}), Response(200))
        talk.client.probe()
        assert talk.world.slept == [0.25]


class TestStart:
    def test_it_sends_what_the_plan_holds(self) -> None:
        more = ("session: s/1", "owner: ann", "labels: {a: b}", "description: d", "env: {OPEN_AGENT_PROVIDER: y}")
        planned = make_plan(*more)
        talk = Talk(started(planned.bus), environ=WITH_TOKEN)
        talk.client.start(planned)
        (request,) = talk.requests
        assert (request.method, request.url, request.timeout_ms) == ("POST", "https://h/base/agent/s%2F1", 15_000)
        assert request.headers == {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        assert msgspec.json.decode(request.body) == {
            "name": "lead",
            "agent": "echo",
            "owner": "ann",
            "labels": {"a": "b"},
            "description": "d",
            "env": {"OPEN_AGENT_PROVIDER": "y"},
        }

    def test_it_leaves_out_what_is_empty(self) -> None:
        talk = Talk(started(PLAN.bus))
        talk.client.start(PLAN)
        assert msgspec.json.decode(talk.requests[0].body) == {"name": "lead", "agent": "echo", "owner": "worker"}
        assert "authorization" not in talk.requests[0].headers

    @pytest.mark.parametrize("first", [RequestError("timed out after 15000 ms"), Response(503)])
    def test_after_an_attempt_without_an_answer_it_is_unknown_who_created_the_agent(
        self, first: Response | RequestError
    ) -> None:
        begun = Talk(first, started(PLAN.bus, 200)).client.start(PLAN)
        assert (begun.created, begun.maybe_started) == (False, True)
        with pytest.raises(WorkerError) as error:
            Talk(first, environ=ONCE).client.start(PLAN)
        assert error.value.maybe_started

    def test_a_request_that_was_sent_twice_may_have_created_the_agent(self) -> None:
        came = msgspec.structs.replace(started(PLAN.bus, 200), resent=True)
        assert Talk(came).client.start(PLAN).maybe_started

    @pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
    def test_something_in_front_is_not_taken_for_the_worker(self, front: Front) -> None:
        came = Response(front.reply.status, front.reply.body, front.reply.headers, "https://h/base/agent/lead")
        acts: list[Callable[[Client], object]] = [
            lambda client: client.start(PLAN),
            lambda client: client.status(PLAN),
            lambda client: client.stop("https://h/base/control/abort", with_token=True),
        ]
        for act in acts:
            with pytest.raises(WorkerError) as error:
                act(Talk(came, environ=ONCE).client)
            assert str(error.value).partition(": ")[2].startswith(front.words)

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_worker_without_the_route_counts_as_started_and_is_reported(self, status: int) -> None:
        talk = Talk(Response(status))
        assert talk.client.start(PLAN) == Started()
        assert [note.code for note in talk.notes] == [Code.NO_ROUTE]
        assert f"HTTP {status}" in talk.lines[0]

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
    def test_what_may_pass_is_tried_again(self, status: int) -> None:
        busy = Response(status, msgspec.json.encode({"error": "bus", "message": "no bus"}))
        talk = Talk(busy, started(PLAN.bus))
        talk.client.start(PLAN)
        assert talk.lines == [f"start attempt 1/3: HTTP {status}: no bus"]

    @pytest.mark.parametrize("status", [400, 401, 403, 409, 410, 413, 415, 301, 308])
    def test_what_will_not_pass_is_not_tried_again(self, status: int) -> None:
        talk = Talk(Response(status))
        with pytest.raises(WorkerError, match=r"^start: "):
            talk.client.start(PLAN)
        assert len(talk.requests) == 1

    def test_a_token_that_comes_back_is_not_shown(self) -> None:
        body = msgspec.json.encode({"message": f"got {TOKEN}"})
        talk = Talk(Response(503, body), environ={**WITH_TOKEN, **ONCE})
        with pytest.raises(WorkerError, match=r"^start: HTTP 503: got \*\*\*$"):
            talk.client.start(PLAN)
        assert TOKEN not in "".join(talk.lines)


class TestStatus:
    def test_it_asks_with_the_token(self) -> None:
        talk = Talk(Response(200, b'{"state":"busy"}'), environ=WITH_TOKEN)
        assert talk.client.status(PLAN).name == "busy"
        (request,) = talk.requests
        assert (request.method, request.url, request.timeout_ms) == ("GET", "https://h/base/agent/lead", 5000)
        assert request.headers == {"authorization": f"Bearer {TOKEN}"}


class TestStop:
    @pytest.mark.parametrize("status", [200, 202, 204, 410])
    def test_it_posts_with_the_token(self, status: int) -> None:
        talk = Talk(Response(status), environ=WITH_TOKEN)
        talk.client.stop("https://h/base/stop", with_token=True)
        (request,) = talk.requests
        assert (request.method, request.url) == ("POST", "https://h/base/stop")
        assert request.headers == {"authorization": f"Bearer {TOKEN}"}

    def test_without_the_token(self) -> None:
        talk = Talk(Response(200), environ=WITH_TOKEN)
        talk.client.stop("https://other/stop", with_token=False)
        assert talk.requests[0].headers == {}

    @pytest.mark.parametrize("answer", [Response(403), Response(500), RequestError("connection refused")])
    def test_a_stop_that_fails(self, answer: Response | RequestError) -> None:
        with pytest.raises(WorkerError, match=r"^abort: "):
            Talk(answer, environ=ONCE).client.stop("https://h/stop", with_token=True)

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_route_that_is_not_served(self, status: int) -> None:
        with pytest.raises(NoRouteError, match=str(status)):
            Talk(Response(status)).client.stop("https://h/stop", with_token=True)
