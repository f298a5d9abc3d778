"""What a Worker answers, and how much of it is believed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf import document, settings
from exec_cf.answers import Answer, NoRouteError, SessionState, Started, WorkerError
from exec_cf.http import Response
from exec_cf.messages import BusBlock
from exec_cf.plan import Plan, plan
from tests.support.specs import spec
from tests.support.world import started

TOKEN = "hush-hush"


def make_plan() -> Plan:
    return plan(document.read(spec("https://h/base")), settings.read({})[0])[0]


PLAN = make_plan()
SUBJECTS = msgspec.to_builtins(PLAN.bus)


def json(status: int, body: object) -> Response:
    return Response(status, msgspec.json.encode(body))


def answer(verb: str, response: Response, token: str = "") -> Answer:
    return Answer(verb, response, settings.read({"CF_WORKER_TOKEN": token})[0])


REFUSED_401 = json(401, {"error": "unauthorized", "message": ""})
REFUSED_403 = json(403, {"error": "forbidden", "message": ""})


def start(response: Response, token: str = "") -> Started:
    return answer("start", response, token).started(PLAN, maybe_started=False)


def status(response: Response, token: str = "") -> SessionState:
    return answer("status", response, token).session_state(PLAN)


def failure(response: Response, token: str = "") -> WorkerError:
    with pytest.raises(WorkerError) as error:
        start(response, token)
    return error.value


@pytest.mark.parametrize("code", [429, 500, 502, 503, 599])
def test_what_may_pass(code: int) -> None:
    assert answer("start", Response(code)).is_retryable


@pytest.mark.parametrize("code", [200, 201, 301, 308, 400, 401, 403, 404, 405, 409, 410, 413, 415])
def test_what_will_not_pass(code: int) -> None:
    assert not answer("start", Response(code)).is_retryable


class TestStarted:
    @pytest.mark.parametrize(("code", "created"), [(201, True), (200, False)])
    def test_the_status_says_whether_it_created_the_agent(self, code: int, created: bool) -> None:
        assert start(started(PLAN.bus, code)) == Started("https://h/base/control/abort/lead", created=created)

    @pytest.mark.parametrize("state", ["ready", "busy"])
    def test_an_agent_that_listens_is_started(self, state: str) -> None:
        assert start(json(200, {"subjects": SUBJECTS, "state": state, "agent": "echo"})) == Started()

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"state": "starting"}, "start: the Worker reports the agent as starting"),
            ({"state": "stopped"}, "start: the Worker reports the agent as stopped"),
            ({"state": "\x9b31m" + "x" * 999}, "start: the Worker reports the agent as \\x9b31m" + "x" * 293 + "…"),
            ({"agent": "pi"}, "start: the session runs pi, not echo"),
        ],
    )
    def test_another_agent_or_one_that_does_not_listen_is_not(self, more: dict[str, str], words: str) -> None:
        assert str(failure(json(201, {"subjects": SUBJECTS, **more}))) == words

    @pytest.mark.parametrize("field", BusBlock.__struct_fields__)
    def test_any_other_subject_is_not(self, field: str) -> None:
        other = msgspec.structs.replace(PLAN.bus, **{field: "agents.elsewhere"})
        assert str(failure(started(other))).startswith("start: the agent listens on agents.elsewhere, not on ")

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"[]", b"null", b'{"subjects":{}', b'{"subjects":1}', b"\xff", b'{"subjects":"\xfc"}']
    )
    @pytest.mark.parametrize("code", [200, 201])
    def test_an_answer_without_subjects_is_not(self, code: int, body: bytes) -> None:
        assert "does not name the agent's subjects" in str(failure(Response(code, body)))

    @pytest.mark.parametrize("body", [b'{"x":' + b"[" * 60_000, b"[" * 60_000])
    def test_an_answer_nested_without_end_is_not(self, body: bytes) -> None:
        assert "is it this program's Worker" in str(failure(Response(200, body)))

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("/control/abort/lead?cap=x", "https://h/base/control/abort/lead?cap=x"),
            ("", ""),
            ("https://evil/stop", ""),
        ],
    )
    def test_the_abort_is_below_the_base(self, path: str, target: str) -> None:
        assert start(started(PLAN.bus, abort=path)).abort == target

    @pytest.mark.parametrize("path", ["//evil/stop", "/\\evil", "/a b", "/a\nb"])
    def test_an_abort_that_could_lead_elsewhere_is_refused(self, path: str) -> None:
        error = failure(started(PLAN.bus, abort=path))
        assert str(error) == "start: the Worker names an unusable abort path"
        assert error.maybe_started

    @pytest.mark.parametrize("cap", [TOKEN, f"a{TOKEN}b", "hush%2Fhush"])
    def test_an_abort_that_repeats_a_secret_is_refused(self, cap: str) -> None:
        for token in (TOKEN, "hush/hush"):
            if token in cap.replace("%2F", "/"):
                error = failure(started(PLAN.bus, abort=f"/control/abort/lead?cap={cap}"), token)
                assert str(error) == "start: the Worker names an unusable abort path"
                assert error.maybe_started

    @given(st.sets(st.integers(0, len(TOKEN) - 1)), st.booleans())
    def test_a_secret_in_any_encoding_is_refused(self, escaped: set[int], is_lower: bool) -> None:
        escape = "%{:02x}" if is_lower else "%{:02X}"
        cap = "".join(escape.format(ord(char)) if at in escaped else char for at, char in enumerate(TOKEN))
        error = failure(started(PLAN.bus, abort=f"/control/abort/lead?cap={cap}"), TOKEN)
        assert str(error) == "start: the Worker names an unusable abort path"

    def test_a_secret_that_is_a_word_of_the_path_is_not_one_that_the_worker_repeats(self) -> None:
        for token in ("abort", "lead", "x", PLAN.session, "/control/abort"):
            path = f"/control/abort/{PLAN.session}?cap=x"
            assert start(started(PLAN.bus, abort=path), token).abort == f"https://h/base{path}"

    def test_fields_of_a_later_worker_change_nothing(self) -> None:
        body = msgspec.json.decode(started(PLAN.bus).body) | {"later": [1, {"x": None}]}
        assert start(json(201, body)).created

    @pytest.mark.parametrize(
        ("response", "words"),
        [
            (REFUSED_401, "start: the Worker requires a token (HTTP 401); set CF_WORKER_TOKEN to its CONTROL_TOKEN"),
            (REFUSED_403, "start: the Worker refuses the token (HTTP 403); set CF_WORKER_TOKEN to its CONTROL_TOKEN"),
            (json(409, {"message": "as pi"}), "start: the session already runs with other settings (HTTP 409): as pi"),
            (json(400, {"message": "\x1b[31m" + "x" * 999}), "start: HTTP 400: \\x1b[31m" + "x" * 292 + "…"),
            (json(400, {"message": 3}), "start: HTTP 400"),
            (Response(400, b"\xff"), "start: HTTP 400"),
            (Response(307), "start: the Worker redirects (HTTP 307); use its final URL"),
        ],
    )
    def test_a_refusal_is_reported_with_its_cause(self, response: Response, words: str) -> None:
        assert str(failure(response)) == words

    def test_only_a_409_is_a_conflict(self) -> None:
        assert failure(Response(409)).conflict
        assert not failure(Response(400)).conflict

    def test_a_refused_token_differs_from_a_missing_one(self) -> None:
        assert "refuses the token (HTTP 401)" in str(failure(REFUSED_401, TOKEN))

    @pytest.mark.parametrize("code", [400, 409])
    def test_a_token_that_comes_back_is_not_shown(self, code: int) -> None:
        assert str(failure(json(code, {"message": f"got {TOKEN}"}), TOKEN)).endswith(": got ***")


class TestSessionState:
    def test_text_of_the_worker_is_cut_and_holds_no_secret(self) -> None:
        text = f"\x1b[2J {TOKEN} " + "x" * 999
        state = status(json(200, {"state": text, "cause": text}), TOKEN)
        for shown in (state.name, state.cause):
            assert shown.startswith("\\x1b[2J *** x")
            assert len(shown) == 301

    @pytest.mark.parametrize(
        ("path", "abort"),
        [
            ("/control/abort/lead?cap=x", "https://h/base/control/abort/lead?cap=x"),
            ("/../x", ""),
            ("https://i/x", ""),
            (None, ""),
        ],
    )
    def test_where_the_session_is_stopped(self, path: str | None, abort: str) -> None:
        assert status(json(200, {"state": "ready", "abort": path})).abort == abort

    def test_a_path_that_repeats_a_secret_is_not_printed(self) -> None:
        path = f"/control/abort/{PLAN.session}?cap={TOKEN}"
        assert status(json(200, {"state": "ready", "abort": path}), TOKEN).abort == ""

    def test_a_session_without_an_agent_is_unknown(self) -> None:
        assert status(json(404, {"error": "not_found"})).name == "unknown"

    @pytest.mark.parametrize("response", [Response(404, b"not here"), Response(405), json(405, {"error": "x"})])
    def test_a_missing_route_is_an_error_of_its_own(self, response: Response) -> None:
        with pytest.raises(NoRouteError, match=str(response.status)):
            status(response)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"state": "ready", "agent": "pi"}, "status: the session runs pi, not echo"),
            ({"state": "ready", "subjects": {**SUBJECTS, "hb": "x"}}, "status: the agent listens on x, not on "),
            ({}, "status: the Worker's answer does not name a state"),
        ],
    )
    def test_another_agent_is_not_believed(self, body: object, words: str) -> None:
        with pytest.raises(WorkerError) as error:
            status(json(200, body))
        assert str(error.value).startswith(words)


class TestCheckStopped:
    @pytest.mark.parametrize("code", [200, 202, 204, 410])
    def test_stopped_now_or_before(self, code: int) -> None:
        answer("abort", Response(code)).check_stopped()

    @pytest.mark.parametrize("code", [404, 405])
    def test_a_missing_route_is_an_error_of_its_own(self, code: int) -> None:
        with pytest.raises(NoRouteError, match=str(code)):
            answer("abort", Response(code)).check_stopped()

    def test_only_a_start_can_find_other_settings(self) -> None:
        """Whatever answers 409 to anything else says nothing of the agent of the session."""
        with pytest.raises(WorkerError) as stopping:
            answer("abort", json(409, {"message": "x"})).check_stopped()
        with pytest.raises(WorkerError) as asking:
            status(Response(409))
        assert [str(stopping.value), str(asking.value)] == ["abort: HTTP 409: x", "status: HTTP 409"]
        assert not asking.value.conflict

    @pytest.mark.parametrize("code", [302, 400, 403, 409])
    def test_a_refusal(self, code: int) -> None:
        with pytest.raises(WorkerError, match=r"^abort: "):
            answer("abort", Response(code)).check_stopped()
