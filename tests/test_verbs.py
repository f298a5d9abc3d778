"""What can be asked of an agent, against a Worker that answers by a script."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
import yaml

from exec_cf import output, verbs
from exec_cf.client import Client
from exec_cf.errors import Code, Diagnostic, Exit, Refused
from exec_cf.handles import CONFLICT
from exec_cf.http import RequestError, Response
from exec_cf.messages import WorkerHandle
from tests.support.specs import EXAMPLE_HANDLE, EXAMPLE_SPEC
from tests.support.world import FakeWorld, Script

ONE_TRY = {"CF_WORKER_HEALTHCHECK_RETRIES": "1"}
BASE = "https://orch-cf-agent.example.workers.dev"
SUBJECTS = {
    "prompt": "agents.prompt.open-agent.dmestas.lead-engineer",
    "status": "agents.status.open-agent.dmestas.lead-engineer",
    "hb": "agents.hb.open-agent.dmestas.lead-engineer",
    "signal": "orch.signal.>.open-agent.dmestas.lead-engineer",
}


ABORT = "/control/abort/lead-engineer?cap=x"


class Asked:
    """One verb at a scripted Worker."""

    def __init__(
        self, *answers: Response | RequestError, environ: Mapping[str, str] = ONE_TRY, handle: bytes = EXAMPLE_HANDLE
    ) -> None:
        self.script = Script(*answers)
        self.world = FakeWorld(exchange=self.script)
        self.noted: list[Diagnostic] = []
        self.target = verbs.parse_handle(handle, environ, self.noted.append)
        self.client = Client(self.target.plan.base, self.target.settings, self.world, self.noted.append)

    def status(self, wait_s: float = 0) -> WorkerHandle:
        return verbs.status(self.target, self.client, self.world, wait_s)

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.removeprefix(BASE)}" for request in self.script.requests]


def seen(state: str, **more: object) -> Response:
    return Response(200, msgspec.json.encode({"state": state, "subjects": SUBJECTS, **more}))


UNKNOWN = Response(404, b'{"error":"not_found","message":"no agent was started in this session"}')
PENDING = EXAMPLE_HANDLE.replace(b"status: ready", b"status: pending\nmessage: soon")


CUSTOM = EXAMPLE_HANDLE.replace(b"/control/abort", b"/stop?who=me")


def failed(message: str) -> bytes:
    """Return the handle of a start that failed, without an abort."""
    text = EXAMPLE_HANDLE.decode()
    return f'{text[: text.index("abort:")]}status: failed\nmessage: "{message}"\n'.encode()


class TestStatus:
    @pytest.mark.parametrize("state", ["ready", "busy"])
    def test_an_agent_that_is_up_is_ready(self, state: str) -> None:
        asked = Asked(seen(state), handle=PENDING)
        handle = asked.status()
        assert (handle.status, handle.message) == ("ready", msgspec.UNSET)
        assert asked.calls == ["GET /agent/lead-engineer"]

    def test_nothing_else_of_the_handle_changes(self) -> None:
        before = Asked().target.handle
        after = Asked(seen("ready")).status()
        assert after == before

    def test_one_that_starts_is_pending(self) -> None:
        asked = Asked(seen("starting", cause="the bus is away"))
        handle = asked.status()
        assert (handle.status, handle.message) == ("pending", "the agent is starting: the bus is away")
        assert asked.noted[-1].code is Code.NOT_READY

    def test_waiting_asks_until_it_is_up(self) -> None:
        assert Asked(seen("starting"), seen("starting"), seen("ready")).status(wait_s=10).status == "ready"

    def test_waiting_ends_with_the_seconds(self) -> None:
        asked = Asked(*[seen("starting")] * 5)
        assert asked.status(wait_s=1).status == "pending"
        assert len(asked.calls) == 5

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (seen("stopped", cause="it was aborted"), "the agent is gone: it was aborted"),
            (UNKNOWN, "the agent is gone; spawn it again"),
            (RequestError("connection refused"), "status: connection refused"),
            (Response(503, b'{"message":"the bus is down"}'), "status: HTTP 503: the bus is down"),
            (Response(401), "set CF_WORKER_TOKEN to its CONTROL_TOKEN"),
            (Response(200, b"hello"), "is it this program's Worker?"),
            (Response(302), "use its final URL"),
            (seen("paused"), "the Worker reports the agent as paused"),
            (seen("ready", agent="echo"), "the session runs echo, not claude-code"),
            (seen("ready", subjects={**SUBJECTS, "prompt": "agents.prompt.open-agent.eve.x"}), "listens on"),
        ],
    )
    def test_what_is_gone_or_cannot_be_asked_is_failed(self, answer: Response | RequestError, words: str) -> None:
        handle = Asked(answer).status()
        assert handle.status == "failed"
        assert words in str(handle.message)

    def test_a_pending_handle_is_a_deferred_start(self) -> None:
        started = Response(201, msgspec.json.encode({"subjects": SUBJECTS, "abort": ABORT}))
        asked = Asked(UNKNOWN, started, handle=PENDING)
        handle = asked.status()
        assert handle.status == "ready"
        assert handle.abort
        assert handle.abort.target == f"{BASE}/control/abort/lead-engineer?cap=x"
        assert asked.calls == ["GET /agent/lead-engineer", "POST /agent/lead-engineer"]
        assert msgspec.json.decode(asked.script.requests[1].body) == {
            "name": "lead-engineer",
            "agent": "claude-code",
            "owner": "dmestas",
        }

    @pytest.mark.parametrize(
        ("stopped_at", "status"),
        [
            ("2026-05-24T15:29:59Z", "ready"),
            ("2026-05-24T15:29:59.999Z", "ready"),
            ("2026-05-24T15:30:00Z", "failed"),
            ("2026-05-24T15:30:01Z", "failed"),
        ],
    )
    def test_a_deferred_start_does_not_undo_a_later_abort(self, stopped_at: str, status: str) -> None:
        started = Response(201, msgspec.json.encode({"subjects": SUBJECTS}))
        assert Asked(seen("stopped", stopped_at=stopped_at), started, handle=PENDING).status().status == status

    def test_a_date_in_whole_seconds_is_not_another_clock(self) -> None:
        answer = seen("stopped", stopped_at="2026-05-24T15:29:59.700Z")
        answer = msgspec.structs.replace(answer, headers={"date": "Sun, 24 May 2026 15:30:00 GMT"})
        asked = Asked(answer, Response(201, msgspec.json.encode({"subjects": SUBJECTS})), handle=PENDING)
        asked.world.later_s = 0.9
        assert asked.status().status == "ready"

    @pytest.mark.parametrize("ahead_s", [-7200, -600, -1, 0, 1, 600, 7200])
    @pytest.mark.parametrize(("stopped_s", "status"), [(-5, "ready"), (5, "failed")])
    def test_ages_are_compared_and_not_two_clocks(self, ahead_s: int, stopped_s: int, status: str) -> None:
        """The agent was stopped seconds before or after the handle was made, by a Worker whose clock is *ahead_s*."""
        made = datetime(2026, 5, 24, 15, 30, tzinfo=UTC)
        theirs = timedelta(seconds=ahead_s)
        stopped = made + timedelta(seconds=stopped_s) + theirs
        answer = seen("stopped", stopped_at=stopped.isoformat())
        date = format_datetime(made + timedelta(seconds=60) + theirs, usegmt=True)
        answer = msgspec.structs.replace(answer, headers={"date": date})
        asked = Asked(answer, Response(201, msgspec.json.encode({"subjects": SUBJECTS})), handle=PENDING)
        asked.world.later_s = 60
        assert asked.status().status == status

    @pytest.mark.parametrize("date", ["", "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
    @pytest.mark.parametrize(
        ("stopped_at", "status"),
        [("0001-01-01T00:00:00+23:59", "ready"), ("9999-12-31T23:59:59.999-23:59", "failed")],
    )
    def test_no_clock_is_too_wrong_to_be_compared(self, date: str, stopped_at: str, status: str) -> None:
        answer = msgspec.structs.replace(seen("stopped", stopped_at=stopped_at), headers={"date": date})
        asked = Asked(answer, Response(201, msgspec.json.encode({"subjects": SUBJECTS})), handle=PENDING)
        assert asked.status().status == status

    def test_a_worker_without_the_route_is_judged_by_its_health(self) -> None:
        asked = Asked(Response(404, b"not here"), Response(200))
        assert asked.status().status == "ready"
        assert asked.calls == ["GET /agent/lead-engineer", "GET /health"]
        assert asked.noted[0].code is Code.NO_ROUTE

    @pytest.mark.parametrize("answer", [UNKNOWN, Response(404, b"not here")])
    def test_without_bootstrap_health_counts_where_nothing_is_known(self, answer: Response) -> None:
        asked = Asked(answer, Response(200), environ={"CF_WORKER_BOOTSTRAP": "0"}, handle=PENDING)
        assert asked.status().status == "ready"
        assert asked.calls == ["GET /agent/lead-engineer", "GET /health"]

    def test_without_bootstrap_an_agent_that_was_stopped_is_gone_all_the_same(self) -> None:
        environ = {"CF_WORKER_BOOTSTRAP": "0"}
        assert Asked(seen("stopped"), environ=environ).status().status == "failed"
        put_off = seen("stopped", stopped_at="2026-05-24T15:29:59Z")
        asked = Asked(put_off, environ=environ, handle=PENDING)
        assert asked.status().status == "failed"
        assert asked.calls == ["GET /agent/lead-engineer"]

    def test_the_abort_of_all_gives_way_to_the_agents_own(self) -> None:
        for before in (EXAMPLE_HANDLE, PENDING):
            after = Asked(seen("ready", abort=ABORT), handle=before).status()
            assert after.abort
            assert after.abort.target == BASE + ABORT

    def test_an_abort_of_the_specs_own_stays(self) -> None:
        own = EXAMPLE_HANDLE.replace(b"/control/abort", b"/stop?who=me")
        after = Asked(seen("ready", abort=ABORT), handle=own).status()
        assert after.abort
        assert after.abort.target == BASE + "/stop?who=me"

    def test_an_agent_that_is_gone_names_no_other_abort(self) -> None:
        asked = Asked(seen("stopped", abort=ABORT))
        assert asked.status().abort == asked.target.handle.abort

    def test_a_deferred_start_that_finds_another_agent_is_a_conflict(self) -> None:
        asked = Asked(UNKNOWN, Response(409, b'{"error":"conflict","message":"as pi"}'), handle=PENDING)
        handle = asked.status()
        assert (handle.status, handle.abort) == ("failed", msgspec.UNSET)
        assert handle.message == f"{CONFLICT}start: the session already runs with other settings (HTTP 409): as pi"
        later = Asked(handle=output.rendered(handle, as_json=False))
        assert later.status() == handle
        assert later.calls == []

    @pytest.mark.parametrize(
        "message", [f"{CONFLICT}start: HTTP 409", "start: the session runs already with other settings (HTTP 409): x"]
    )
    def test_the_state_of_another_agent_changes_nothing(self, message: str) -> None:
        asked = Asked(handle=failed(message))
        assert asked.status() == asked.target.handle
        assert asked.calls == []

    @pytest.mark.parametrize(
        "message",
        [
            "start: HTTP 400: conflict: start",
            "start: HTTP 400: the session runs already with other settings (HTTP 409)",
        ],
    )
    def test_what_a_worker_wrote_into_a_message_decides_nothing(self, message: str) -> None:
        assert Asked(seen("ready"), handle=failed(message)).status().status == "ready"

    def test_what_never_ran_without_a_time_is_not_started_again(self) -> None:
        assert Asked(seen("stopped"), handle=PENDING).status().status == "failed"


class TestAbort:
    @pytest.mark.parametrize("code", [200, 204, 410])
    def test_stopped_now_or_before_is_done(self, code: int) -> None:
        asked = Asked(Response(code))
        verbs.abort(asked.target, asked.client)
        assert asked.calls == ["POST /control/abort/lead-engineer"]

    @pytest.mark.parametrize(
        "target",
        [
            *("/control/abort", "/control/abort?x", "/control%2Fabort", "/control/abort/victim", "/agent/zombie"),
            *("/control/abort/lead-engineer/x", "/control/abort/Lead-engineer", "/stop?who=me"),
        ],
    )
    def test_wherever_the_handle_points_only_its_own_session_is_stopped(self, target: str) -> None:
        asked = Asked(Response(200), handle=EXAMPLE_HANDLE.replace(b"/control/abort", target.encode()))
        verbs.abort(asked.target, asked.client)
        assert asked.calls == ["POST /control/abort/lead-engineer"]

    @pytest.mark.parametrize("target", ["/control/abort/lead-engineer?cap=x", "/control/abort/lead%2Dengineer?cap=x"])
    def test_a_capability_for_its_own_session_is_used(self, target: str) -> None:
        asked = Asked(Response(200), handle=EXAMPLE_HANDLE.replace(b"/control/abort", target.encode()))
        verbs.abort(asked.target, asked.client)
        assert asked.calls == [f"POST {target}"]

    @pytest.mark.parametrize("code", [404, 405])
    def test_a_worker_without_that_route_is_asked_as_the_handle_says_but_without_the_token(self, code: int) -> None:
        environ = {**ONE_TRY, "CF_WORKER_TOKEN": "s3cret"}
        asked = Asked(Response(code), Response(200), environ=environ, handle=CUSTOM)
        verbs.abort(asked.target, asked.client)
        assert asked.calls == ["POST /control/abort/lead-engineer", "POST /stop?who=me"]
        assert [request.headers for request in asked.script.requests] == [{"authorization": "Bearer s3cret"}, {}]

    @pytest.mark.parametrize("code", [200, 401, 403, 410, 500])
    def test_any_other_answer_of_that_route_is_final(self, code: int) -> None:
        asked = Asked(Response(code), handle=CUSTOM)
        with contextlib.suppress(Refused):
            verbs.abort(asked.target, asked.client)
        assert asked.calls == ["POST /control/abort/lead-engineer"]

    def test_a_route_that_is_not_served_is_shown_without_its_query(self) -> None:
        asked = Asked(Response(404), Response(404), handle=CUSTOM)
        with pytest.raises(Refused, match="/stop") as refused:
            verbs.abort(asked.target, asked.client)
        assert "who=me" not in str(refused.value)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (RequestError("connection refused"), "connection refused"),
            (Response(403), "CF_WORKER_TOKEN"),
            (Response(500), "HTTP 500"),
        ],
    )
    def test_a_worker_that_cannot_or_will_not_is_70(self, answer: Response | RequestError, words: str) -> None:
        asked = Asked(answer)
        with pytest.raises(Refused, match=words) as refused:
            verbs.abort(asked.target, asked.client)
        assert refused.value.exit_code == Exit.RUNTIME

    def test_a_worker_without_any_abort_route_is_70(self) -> None:
        asked = Asked(Response(404), Response(404))
        with pytest.raises(Refused, match="does not serve"):
            verbs.abort(asked.target, asked.client)

    def test_a_handle_without_abort_is_refused(self) -> None:
        text = EXAMPLE_HANDLE.decode()
        asked = Asked(handle=(text[: text.index("abort:")] + "status: ready\n").encode())
        with pytest.raises(Refused, match="has no abort") as refused:
            verbs.abort(asked.target, asked.client)
        assert refused.value.exit_code == Exit.INPUT

    def test_the_token_goes_to_the_sessions_own_route_only(self) -> None:
        environ = {**ONE_TRY, "CF_WORKER_TOKEN": "s3cret"}
        elsewhere = EXAMPLE_HANDLE.replace(b"workers.dev/control", b"workers.dev:8443/control")
        for handle in (EXAMPLE_HANDLE, elsewhere):
            asked = Asked(Response(200), environ=environ, handle=handle)
            verbs.abort(asked.target, asked.client)
            assert asked.calls == ["POST /control/abort/lead-engineer"]
            assert asked.script.requests[0].headers == {"authorization": "Bearer s3cret"}


class TestTeardown:
    @pytest.mark.parametrize("left", [UNKNOWN, seen("stopped")])
    def test_it_sees_the_agent_gone(self, left: Response) -> None:
        asked = Asked(Response(200), left)
        verbs.teardown(asked.target, asked.client)
        assert asked.calls == ["POST /control/abort/lead-engineer", "GET /agent/lead-engineer"]

    def test_an_agent_that_stays_is_70(self) -> None:
        asked = Asked(Response(200), seen("busy"))
        with pytest.raises(Refused, match="the agent is still busy"):
            verbs.teardown(asked.target, asked.client)

    def test_an_agent_may_take_its_time(self) -> None:
        asked = Asked(Response(200), seen("busy"), seen("stopped"), environ={})
        verbs.teardown(asked.target, asked.client)

    @pytest.mark.parametrize("code", [404, 405])
    def test_what_cannot_be_seen_is_70(self, code: int) -> None:
        asked = Asked(Response(200), Response(code))
        with pytest.raises(Refused, match="cannot say whether it left") as refused:
            verbs.teardown(asked.target, asked.client)
        assert refused.value.exit_code == Exit.RUNTIME


class TestParseHandle:
    def test_a_token_in_the_clear_is_refused(self) -> None:
        handle = EXAMPLE_HANDLE.replace(b"https://", b"http://")
        with pytest.raises(Refused, match="sent unencrypted"):
            Asked(environ={"CF_WORKER_TOKEN": "s3cret"}, handle=handle)

    def test_a_token_for_one_worker_does_not_go_to_another(self) -> None:
        environ = {"CF_WORKER_TOKEN": "s3cret", "CF_WORKER_URL": "https://mine.example"}
        with pytest.raises(Refused, match="is for the Worker at CF_WORKER_URL") as refused:
            Asked(environ=environ)
        assert refused.value.exit_code == Exit.USAGE
        Asked(environ={**environ, "CF_WORKER_URL": BASE + ":443/elsewhere"})

    def test_the_worker_of_the_handle_is_asked_whatever_the_environment_names(self) -> None:
        asked = Asked(seen("ready"), environ={"CF_WORKER_URL": "https://mine.example"})
        asked.status()
        assert asked.script.requests[0].url == f"{BASE}/agent/lead-engineer"

    def test_handle_and_environment_are_judged_together(self) -> None:
        with pytest.raises(Refused) as refused:
            Asked(environ={"OPEN_AGENT_OWNER": "a.b"}, handle=EXAMPLE_HANDLE.replace(b"ready", b"x"))
        assert {problem.code for problem in refused.value.problems} == {Code.ENVIRONMENT, Code.FOREIGN}


class TestValidate:
    @pytest.mark.parametrize(
        "env",
        [
            *("1234", "[1234]", "{A: 1234}", "{A: 0x1234}", "{A: 1234.5}", "{A: [1234]}", "{A: {x1234: 1}}"),
            *("{A: *x1234}", "{A: !x1234 x}", "{A: !!int x1234}", "{A: x1234, A: y1234}", "{[1234]: x}", "!x1234 {}"),
            *("{A=x1234: x}", "{A=x1234: x, A=x1234: y}", "{A.x1234: {x: y}}", "{<<: x1234}", "{<<: *x1234}"),
        ],
    )
    def test_nothing_below_env_is_shown_but_a_name(self, env: str) -> None:
        document = f"name: a\nagent: echo\ncf-worker: {{script: http://h}}\nenv: {env}\n"
        with pytest.raises(Refused) as refused:
            verbs.validate(document.encode())
        for problem in refused.value.problems:
            assert "1234" not in str(problem)

    def test_the_environment_has_no_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPEN_AGENT_OWNER", "a.b")
        monkeypatch.setenv("CF_WORKER_URL", "ftp://h")
        verbs.validate(EXAMPLE_SPEC)
        with pytest.raises(Refused, match="owner"):
            monkeypatch.setenv("OPEN_AGENT_OWNER", "ann")
            verbs.validate(EXAMPLE_SPEC.replace(b"dmestas", b"d.mestas"))

    def test_a_good_spec_passes(self) -> None:
        verbs.validate(EXAMPLE_SPEC)

    def test_a_bad_one_is_refused_with_all_that_is_wrong(self) -> None:
        with pytest.raises(Refused) as refused:
            verbs.validate(EXAMPLE_SPEC.replace(b"name: lead", b"name: -lead").replace(b"dmestas", b"d.mestas"))
        assert len(refused.value.problems) == 2


def test_probe_version_names_what_is_supported() -> None:
    noted = yaml.safe_load(verbs.versions(as_json=False))
    assert noted == msgspec.json.decode(verbs.versions(as_json=True))
    assert noted["spec_versions"] == ["v1", "v2"]
    assert (noted["program"], noted["executor"]) == ("orch-executor-cf-worker", "cf-worker")
    assert {"validate", "status", "abort", "teardown"} < set(noted["verbs"])
