"""The main job: a SpawnSpec's bytes to a WorkerHandle."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf import output, spawn
from exec_cf.client import Client
from exec_cf.document import read
from exec_cf.errors import Diagnostic, Refused
from exec_cf.handles import is_conflict, parse
from exec_cf.http import Request, RequestError, Response
from exec_cf.messages import EXECUTOR, HANDLES, WorkerHandle
from tests.support.specs import EXAMPLE_HANDLE, EXAMPLE_SPEC, spec
from tests.support.world import NOW, OFFLINE, FakeWorld, Script, started

HEALTHY = Response(200)
NO_ROUTE = Response(404)
ONCE = {"CF_WORKER_HEALTHCHECK_RETRIES": "1"}


def client_of(prepared: spawn.PreparedSpawn, script: Script, noted: list[Diagnostic]) -> Client:
    return Client(prepared.plan.base, prepared.settings, FakeWorld(exchange=script), noted.append)


class Spawn:
    """One spawn at a scripted Worker."""

    def __init__(self, data: bytes, *answers: Response | RequestError, environ: dict[str, str] | None = None) -> None:
        self.script = Script(*answers)
        self.noted: list[Diagnostic] = []
        self.prepared = spawn.prepare(data, environ or {}, self.noted.append)
        self.client = client_of(self.prepared, self.script, self.noted)
        self.spawned = spawn.spawn(self.prepared, self.client, NOW.timestamp)
        self.handle: WorkerHandle = self.spawned.handle


def test_the_worked_example_to_the_byte() -> None:
    one = Spawn(EXAMPLE_SPEC, HEALTHY, NO_ROUTE)
    assert output.rendered(one.handle, as_json=False) == EXAMPLE_HANDLE


@pytest.mark.parametrize("version", HANDLES)
def test_the_handle_has_the_specs_version(version: str) -> None:
    one = Spawn(spec("https://h", f"spec_version: {version}"), HEALTHY, NO_ROUTE)
    assert one.handle.spec_version == version


def test_nothing_is_asked_for_while_it_is_prepared() -> None:
    spawn.prepare(EXAMPLE_SPEC, {}, lambda _: None)


def test_pending_when_the_worker_is_not_called() -> None:
    one = Spawn(EXAMPLE_SPEC, environ=dict(OFFLINE))
    assert one.handle.status == "pending"
    assert "CF_WORKER_HEALTHCHECK" in str(one.handle.message)
    assert one.script.requests == []


def test_a_sick_worker_is_not_asked_to_start_anything() -> None:
    one = Spawn(EXAMPLE_SPEC, Response(500), environ=ONCE)
    assert (one.handle.status, one.handle.message) == ("failed", "healthcheck: HTTP 500")
    assert one.spawned.stop == ""


def test_where_no_worker_is_the_user_reads_how_to_deploy_one() -> None:
    one = Spawn(EXAMPLE_SPEC, Response(404), environ=ONCE)
    assert "--deploy worker.yaml" in one.noted[-1].hint
    assert str(one.handle.message) == "healthcheck: HTTP 404"


def test_a_failed_handle_keeps_bus_and_an_abort_of_its_own() -> None:
    one = Spawn(spec("https://h"), HEALTHY, Response(403), environ=ONCE)
    assert one.handle.bus == one.prepared.plan.bus
    assert one.handle.abort
    assert one.handle.abort.target == "https://h/control/abort/lead"
    assert one.noted[-1].message.startswith("lead failed: start: ")


def test_a_failed_handle_keeps_the_endpoint_of_the_spec() -> None:
    one = Spawn(spec("https://h", block="abort_endpoint: /stop"), HEALTHY, RequestError("reset"), environ=ONCE)
    assert one.handle.abort
    assert one.handle.abort.target == "https://h/stop"


def test_a_handle_in_conflict_cannot_stop_the_other_agent() -> None:
    one = Spawn(EXAMPLE_SPEC, HEALTHY, Response(409), environ=ONCE)
    assert (one.handle.status, one.handle.abort) == ("failed", msgspec.UNSET)
    assert is_conflict(one.handle)


def test_a_ready_handle_has_no_message() -> None:
    assert Spawn(EXAMPLE_SPEC, HEALTHY, NO_ROUTE).handle.message is msgspec.UNSET


def test_the_start_can_be_left_out() -> None:
    one = Spawn(EXAMPLE_SPEC, HEALTHY, environ={"CF_WORKER_BOOTSTRAP": "0"})
    assert one.handle.status == "ready"


def ready_at(block: str, status: int = 201) -> Spawn:
    data = spec("https://h", block=block)
    bus = spawn.prepare(data, {}, lambda _: None).plan.bus
    return Spawn(data, HEALTHY, started(bus, status))


def test_the_workers_own_path_takes_the_place_of_the_default() -> None:
    abort = ready_at("").handle.abort
    assert abort
    assert (abort.kind, abort.target) == ("http-post", "https://h/control/abort/lead")


def test_the_default_written_out_is_the_default() -> None:
    abort = ready_at("abort_endpoint: /control/abort").handle.abort
    assert abort
    assert abort.target == "https://h/control/abort/lead"


@pytest.mark.parametrize("endpoint", ["/stop", "https://i/stop"])
def test_an_endpoint_of_the_spec_stays(endpoint: str) -> None:
    abort = ready_at(f"abort_endpoint: {endpoint}").handle.abort
    assert abort
    assert abort.target.endswith(endpoint)


def test_an_empty_endpoint_disables_the_abort() -> None:
    one = ready_at("abort_endpoint: ''")
    assert one.handle.abort is msgspec.UNSET
    assert b"abort" not in output.rendered(one.handle, as_json=False)


@pytest.mark.parametrize("block", ["", "abort_endpoint: ''", "abort_endpoint: https://i/stop"])
def test_what_was_started_is_rolled_back_at_the_worker(block: str) -> None:
    one = ready_at(block)
    back = Script(Response(200))
    noted: list[Diagnostic] = []
    spawn.roll_back(one.spawned, one.prepared, client_of(one.prepared, back, noted))
    assert [(request.method, request.url) for request in back.requests] == [("POST", "https://h/control/abort/lead")]
    assert [problem.message for problem in noted] == ["the agent was stopped, since its handle could not be delivered"]


def test_an_agent_that_could_not_be_rolled_back_is_reported() -> None:
    one = ready_at("")
    noted: list[Diagnostic] = []
    refused = client_of(one.prepared, Script(*[RequestError("connection refused")] * 3), noted)
    spawn.roll_back(one.spawned, one.prepared, refused)
    assert "could not be stopped: abort: connection refused" in noted[-1].message


def test_an_agent_that_ran_before_is_not_rolled_back() -> None:
    one = ready_at("", status=200)
    spawn.roll_back(one.spawned, one.prepared, one.client)
    assert len(one.script.requests) == 2


def test_an_agent_without_an_abort_of_the_workers_is_rolled_back_all_the_same() -> None:
    data = spec("https://h")
    bus = msgspec.to_builtins(spawn.prepare(data, {}, lambda _: None).plan.bus)
    one = Spawn(data, HEALTHY, Response(201, msgspec.json.encode({"subjects": bus})))
    assert one.spawned.stop == "https://h/control/abort/lead"


@pytest.mark.parametrize("last", [200, None])
def test_an_agent_that_may_have_been_started_is_reported(last: int | None) -> None:
    data = spec("https://h")
    bus = spawn.prepare(data, {}, lambda _: None).plan.bus
    answers = [started(bus, last)] if last else [RequestError("reset")] * 2
    one = Spawn(data, HEALTHY, RequestError("timed out"), *answers)
    noted: list[Diagnostic] = []
    spawn.roll_back(one.spawned, one.prepared, client_of(one.prepared, Script(), noted))
    (problem,) = noted
    assert "an agent may be running in session lead" in problem.message


def test_a_rollback_without_a_route_is_reported() -> None:
    one = ready_at("")
    noted: list[Diagnostic] = []
    spawn.roll_back(one.spawned, one.prepared, client_of(one.prepared, Script(Response(404)), noted))
    assert "could not be stopped" in noted[-1].message


_TEXTS = st.one_of(st.text(max_size=40), st.text(alphabet="éa😀/{}%", min_size=1500, max_size=1700))
_PATHS = st.text(alphabet="/ab%2.;é~!$&'()*+,=:@|^{}\"<>`?#", max_size=12)


@given(_TEXTS, _TEXTS, _PATHS, st.one_of(_PATHS, st.just("/{session}" + "😀" * 2000)))
def test_whatever_is_printed_is_what_the_verbs_take(session: str, owner: str, base: str, endpoint: str) -> None:
    fields = {"name": "a", "agent": "echo", "session": session, "owner": owner}
    block = {"script": f"https://h/{base}", "abort_endpoint": endpoint}
    data = msgspec.json.encode({**fields, EXECUTOR: block})
    try:
        prepared = spawn.prepare(data, OFFLINE, lambda _: None)
    except Refused:
        return
    handle = spawn.spawn(prepared, client_of(prepared, Script(), []), NOW.timestamp).handle
    for as_json in (False, True):
        assert parse(read(output.rendered(handle, as_json)))[0] == handle


def test_whatever_happens_to_a_start_a_possible_agent_is_reported() -> None:
    class Broken(Script):
        def __call__(self, request: Request) -> Response:
            if request.method == "POST":
                raise ZeroDivisionError
            return super().__call__(request)

    noted: list[Diagnostic] = []
    prepared = spawn.prepare(EXAMPLE_SPEC, {}, noted.append)
    client = client_of(prepared, Broken(HEALTHY), noted)
    with pytest.raises(ZeroDivisionError):
        spawn.spawn(prepared, client, NOW.timestamp)
    assert [note.message for note in noted] == [
        "a start got no response: an agent may be running in session lead-engineer"
    ]
