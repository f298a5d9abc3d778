"""The verbs as processes, on a Worker that wants a token."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exec_cf import settings
from exec_cf.document import read
from exec_cf.plan import MAX_START_BYTES, plan, start_body
from exec_cf.subjects import MAX_TOKEN_BYTES
from tests.support.nats import NatsServer
from tests.support.program import Program
from tests.support.specs import spec
from tests.support.workerd import Workerd

TOKEN = "open-sesame-7"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    bus = NatsServer(tmp_path_factory.mktemp("nats"))
    home = tmp_path_factory.mktemp("worker")
    with bus, Workerd(home, {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": TOKEN}) as server:
        yield server


def spawned(program: Program, worker: Workerd, name: str, **environ: str) -> bytes:
    ended = program.run(spec(worker.url).replace(b"name: lead", f"name: {name}".encode()), env=environ)
    assert ended.code == 0, ended.err
    return ended.out


def test_a_life_with_a_token(program: Program, worker: Workerd, tmp_path: Path) -> None:
    environ = {"CF_WORKER_TOKEN": TOKEN}
    handle = tmp_path / "handle.yaml"
    handle.write_bytes(spawned(program, worker, "tokened", **environ))
    assert yaml.safe_load(handle.read_bytes())["status"] == "ready"
    now = program.run(b"", "--status", str(handle), env=environ)
    assert now.out == handle.read_bytes()
    gone = program.run(b"", "--teardown", str(handle), env=environ)
    assert (gone.code, gone.out, gone.err) == (0, b"", "")
    later = yaml.safe_load(program.run(b"", "--status", str(handle), env=environ).out)
    assert later["status"] == "failed"


def test_the_capability_alone_aborts_but_does_not_ask(program: Program, worker: Workerd) -> None:
    handle = spawned(program, worker, "capable", CF_WORKER_TOKEN=TOKEN)
    assert TOKEN.encode() not in handle
    asked = program.run(handle, "--status")
    assert "set CF_WORKER_TOKEN" in yaml.safe_load(asked.out)["message"]
    assert program.run(handle, "--abort").code == 0
    now = program.run(handle, "--status", env={"CF_WORKER_TOKEN": TOKEN})
    assert yaml.safe_load(now.out)["status"] == "failed"


@pytest.mark.parametrize("token", [{}, {"CF_WORKER_TOKEN": "wrong-token-8"}])
def test_a_start_without_the_right_token_fails_with_the_cure(
    program: Program, worker: Workerd, token: dict[str, str]
) -> None:
    ended = program.run(spec(worker.url), env=token)
    printed = yaml.safe_load(ended.out)
    assert printed["status"] == "failed"
    assert "set CF_WORKER_TOKEN to its CONTROL_TOKEN" in printed["message"]
    assert "wrong-token-8" not in ended.err + ended.out.decode()


def test_a_deferred_start_goes_from_pending_to_ready(program: Program, worker: Workerd) -> None:
    environ = {"CF_WORKER_TOKEN": TOKEN}
    handle = spawned(program, worker, "put-off", CF_WORKER_HEALTHCHECK="0", **environ)
    assert yaml.safe_load(handle)["status"] == "pending"
    ready = program.run(handle, "--status", "--wait", "5", env=environ)
    assert yaml.safe_load(ready.out)["status"] == "ready"
    assert program.run(ready.out, "--teardown", env=environ).code == 0


def test_json_is_for_programs(program: Program, worker: Workerd) -> None:
    ended = program.run(spec(worker.url), "--format", "json", env={"CF_WORKER_TOKEN": TOKEN})
    handle = json.loads(ended.out)
    assert handle["status"] == "ready"
    assert program.run(ended.out, "--teardown", env={"CF_WORKER_TOKEN": TOKEN}).code == 0
    refused = program.run(b"name: A\nagent: echo\n", "--validate", "--format=json")
    lines = [json.loads(line) for line in refused.err.splitlines()]
    assert refused.code == 65
    assert [line["code"] for line in lines] == ["blocks", "value", "summary"]
    assert (lines[1]["path"], lines[1]["line"], lines[1]["column"]) == ("name", 1, 7)


def test_validate_is_silent_about_a_good_spec(program: Program) -> None:
    ended = program.run(spec("https://w.example"), "--validate", env={"OPEN_AGENT_OWNER": "not.a.token"})
    assert (ended.code, ended.out, ended.err) == (0, b"", "")


def test_a_file_that_cannot_be_read_is_64(program: Program, tmp_path: Path) -> None:
    ended = program.run(b"", "--validate", str(tmp_path / "none.yaml"))
    assert ended.code == 64
    assert "no such file" in ended.err
    assert program.run(b"", "--status", str(tmp_path)).code == 64


def test_a_tmux_handle_is_left_alone(program: Program) -> None:
    handle = b"name: a\nagent: echo\ncreated_at: 2026-05-24T15:30:00Z\nexecutor: tmux\npane_id: '%1'\nstatus: ready\n"
    for verb in ("--status", "--abort", "--teardown"):
        ended = program.run(handle, verb)
        assert (ended.code, ended.out) == (65, b"")
        assert "this program only handles cf-worker" in ended.err


def test_probe_version_is_a_document(program: Program) -> None:
    ended = program.run(b"", "--probe-version")
    printed = yaml.safe_load(ended.out)
    assert f"orch-executor-cf-worker {printed['version']}\n".encode() == program.run(b"", "--version").out


@pytest.mark.parametrize("target", ["/control/abort?x", "/control/abort/{victim}", "/agent/zombie"])
def test_a_handle_that_points_at_another_session_stops_its_own(program: Program, worker: Workerd, target: str) -> None:
    environ = {"CF_WORKER_TOKEN": TOKEN}
    victim, own = (spawned(program, worker, name, **environ) for name in ("victim", "own"))
    handle = yaml.safe_load(own)
    handle["abort"]["target"] = worker.url + target.format(victim="victim")
    assert program.run(yaml.safe_dump(handle).encode(), "--abort", env=environ).code == 0
    states = [
        yaml.safe_load(program.run(each, "--status", env=environ).out)["status"]
        for each in (victim, own, own.replace(b"own", b"zombie"))
    ]
    assert states == ["ready", "failed", "failed"]
    assert program.run(victim, "--abort", env=environ).code == 0


@pytest.mark.parametrize("field", ["session", "owner", "labels", "description"])
def test_the_most_that_validate_passes_is_what_a_worker_accepts(program: Program, worker: Workerd, field: str) -> None:
    """One token or the body of the start is as long as it may be; one byte more is refused by both."""
    environ = {"CF_WORKER_TOKEN": TOKEN}
    most = MAX_TOKEN_BYTES if field in {"session", "owner"} else room_for(field, worker.url)
    document, longer = (limited(field, size, worker.url) for size in (most, most + 1))
    assert program.run(document, "--validate").code == 0
    assert program.run(longer, "--validate").code == 65
    handle = program.run(document, env=environ).out
    assert yaml.safe_load(handle)["status"] == "ready"
    assert program.run(handle, "--teardown", env=environ).code == 0
    bare = {"name": "lead", "agent": "echo", "owner": "worker"}
    more = {"labels": {"a": "x" * (most + 1)}} if field == "labels" else {field: "x" * (most + 1)}
    path = f"/agent/{more.pop(field)}" if field == "session" else "/agent/lead"
    body = json.dumps(bare | more, separators=(",", ":"))
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    with worker.client() as http:
        assert http.post(path, content=body, headers=headers).status_code in {400, 413}


def limited(field: str, size: int, url: str) -> bytes:
    text = "x" * size
    return spec(url, f"{field}: {{a: '{text}'}}" if field == "labels" else f"{field}: '{text}'")


def room_for(field: str, url: str) -> int:
    planned, _ = plan(read(limited(field, 1, url)), settings.read({})[0])
    return MAX_START_BYTES - len(start_body(planned)) + 1
