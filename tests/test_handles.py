"""A handle that comes back is believed only as far as this program would have printed it."""

import pytest

from exec_cf.document import read
from exec_cf.errors import Code, Exit, Refused
from exec_cf.handles import parse
from tests.support.specs import EXAMPLE_HANDLE


def handle(old: str = "", new: str = "") -> bytes:
    text = EXAMPLE_HANDLE.decode()
    assert old in text
    return text.replace(old, new).encode()


def test_what_was_printed_is_accepted() -> None:
    found, plan = parse(read(EXAMPLE_HANDLE))
    assert found.status == "ready"
    assert (plan.owner, plan.session, plan.agent) == ("dmestas", "lead-engineer", "claude-code")
    assert plan.base == "https://orch-cf-agent.example.workers.dev"
    assert plan.abort == "https://orch-cf-agent.example.workers.dev/control/abort"
    assert (plan.labels, plan.env) == ({}, {})


def test_a_v2_handle_stays_one() -> None:
    found, plan = parse(read(handle("spec_version: v1", "spec_version: v2")))
    assert (found.spec_version, plan.version) == ("v2", "v2")


def test_a_handle_without_abort_is_one() -> None:
    text = EXAMPLE_HANDLE.decode()
    start, end = text.index("abort:"), text.index("status: ready")
    _, plan = parse(read((text[:start] + text[end:]).encode()))
    assert plan.abort == ""


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("executor: cf-worker", "executor: tmux", "executor"),
        ("kind: http-post", "kind: tmux-send-keys", "abort.kind"),
        ("target: https:", "target: ftp:", "abort.target"),
        ("target: https://", "target: https://user:pw@", "abort.target"),
        ("target: https://orch-cf-agent.example.workers.dev/control/abort", "target: /control/abort", "abort.target"),
        ("/control/abort", "/control/abort#x", "abort.target"),
        ("/control/abort", "/control/../abort", "abort.target"),
        ("session: lead-engineer", "session: lead.engineer", "session"),
        ("prompt: agents.prompt", "prompt: agents.hb", "bus"),
        ("id: https://", "id: https://user:pw@", "id"),
        ("id: https:", "id: file:", "id"),
        ("workers.dev\nbus", "workers.dev/\nbus", "id"),
        ("id: https://orch-cf-agent.example.workers.dev\n", "", "id"),
        ("status: ready", "status: steady", "status"),
        ("2026-05-24T15:30:00.000Z", "9999-12-31T23:59:59.999-12:00", "created_at"),
        ("session: lead-engineer", "session: other", "bus"),
        ("hb: agents.hb.open-agent.dmestas", "hb: agents.hb.open-agent.evil", "bus"),
        ("open-agent.dmestas", "open-agent.>", "bus.prompt"),
        ("name: lead-engineer", "name: Lead", "name"),
    ],
)
def test_what_it_would_not_have_printed_is_refused(old: str, new: str, path: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(read(handle(old, new)))
    assert refused.value.exit_code == Exit.INPUT
    assert path in {".".join(map(str, problem.path)) for problem in refused.value.problems}
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("session", ["a\u3164", "❤\ufe0f", "x" * 300])
def test_a_session_of_an_earlier_release_stays_usable(session: str) -> None:
    text = EXAMPLE_HANDLE.decode().replace("session: lead-engineer", f'session: "{session}"')
    _, plan = parse(read(text.replace("dmestas.lead-engineer", f"dmestas.{session}").encode()))
    assert plan.session == session


@pytest.mark.parametrize("base", ["http://127.1:8787", "http://2130706433", "http://010.0.0.1"])
def test_a_worker_of_an_earlier_release_stays_usable(base: str) -> None:
    assert parse(read(handle("https://orch-cf-agent.example.workers.dev", base)))[1].base == base


def test_a_field_that_appears_twice_is_refused() -> None:
    with pytest.raises(Refused, match="status"):
        parse(read(handle("status: ready", "status: ready\nstatus: ready")))


def test_braces_in_a_base_are_no_mark() -> None:
    text = handle().replace(b"workers.dev", b"workers.dev/{session}")
    assert parse(read(text))[1].abort_is_default


def test_every_problem_of_a_handle_is_reported_in_one_run() -> None:
    text = handle("kind: http-post", "kind: smoke").replace(b"status: ready", b"status: x")
    with pytest.raises(Refused) as refused:
        parse(read(text))
    assert [problem.code for problem in refused.value.problems] == [Code.FOREIGN, Code.FOREIGN]


def test_the_schema_holds_for_handles_too() -> None:
    with pytest.raises(Refused) as refused:
        parse(read(handle("status: ready", "status: ready\nbogus: 1")))
    assert refused.value.problems[0].code is Code.UNKNOWN
