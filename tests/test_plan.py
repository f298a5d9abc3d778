"""A document to a plan: which agent is to run where, and every reason why not."""

from collections.abc import Mapping

import pytest

from exec_cf import document, settings
from exec_cf.errors import Diagnostic, Exit, Refused
from exec_cf.plan import MAX_START_BYTES, Plan, plan, start_body
from tests.support.specs import spec


def planned(data: bytes, environ: Mapping[str, str] | None = None) -> tuple[Plan, list[str]]:
    reported: list[Diagnostic] = []
    with settings.applied(environ or {}, reported.append) as current:
        made, notes = plan(document.read(data), current)
    return made, [str(note) for note in (*reported, *notes)]


def refusal(data: bytes, environ: Mapping[str, str] | None = None) -> tuple[Exit, list[str]]:
    with pytest.raises(Refused) as refused:
        planned(data, environ)
    return refused.value.exit_code, [str(problem) for problem in refused.value.problems]


def test_a_plan_of_defaults() -> None:
    made, notes = planned(spec("https://h/"))
    assert (made.name, made.session, made.owner, made.base) == ("lead", "lead", "worker", "https://h")
    assert (made.abort, made.abort_is_default) == ("https://h/control/abort", True)
    assert made.bus.prompt == "agents.prompt.open-agent.worker.lead"
    assert notes == []


@pytest.mark.parametrize(
    ("more", "environ", "owner"),
    [
        ([], {}, "worker"),
        (["owner: ann"], {}, "ann"),
        (['owner: ""'], {}, "worker"),
        (["owner: ann"], {"OPEN_AGENT_OWNER": "bob"}, "bob"),
        (["owner: ann"], {"OPEN_AGENT_OWNER": ""}, "ann"),
        (["owner: not.read"], {"OPEN_AGENT_OWNER": "bob"}, "bob"),
    ],
)
def test_whose_agent_it_is(more: list[str], environ: dict[str, str], owner: str) -> None:
    assert planned(spec("https://h", *more), environ)[0].owner == owner


@pytest.mark.parametrize(("more", "session"), [([], "lead"), (['session: ""'], "lead"), (["session: s-1"], "s-1")])
def test_which_session(more: list[str], session: str) -> None:
    made, _ = planned(spec("https://h", *more))
    assert made.session == session
    assert made.bus.hb == f"agents.hb.open-agent.worker.{session}"


@pytest.mark.parametrize(
    ("script", "environ", "base"),
    [
        ("https://h", {}, "https://h"),
        ("HTTPS://h/x/", {}, "https://h/x"),
        ("https://h", {"CF_WORKER_URL": "http://i/"}, "http://i"),
        ("ftp://not.read", {"CF_WORKER_URL": "http://i/"}, "http://i"),
    ],
)
def test_which_worker(script: str, environ: dict[str, str], base: str) -> None:
    made, notes = planned(spec(script), environ)
    assert made.base == base
    assert notes == []


@pytest.mark.parametrize("script", ["worker/index.ts", "./a.js", "index"])
def test_a_path_means_wrangler_dev_and_says_so(script: str) -> None:
    made, (note,) = planned(spec(script))
    assert made.base == "http://127.0.0.1:8787"
    assert "http://127.0.0.1:8787" in note
    assert "CF_WORKER_URL" in note


@pytest.mark.parametrize("script", ["ftp://h", "javascript:x", "//h", "https://a:b@h", "https://h?x", '" https://h"'])
def test_a_bad_url_never_falls_back_to_this_machine(script: str) -> None:
    code, (said,) = refusal(spec(script))
    assert code is Exit.INPUT
    assert "cf-worker.script: " in said


@pytest.mark.parametrize(
    ("block", "target", "default"),
    [
        ("", "https://h/b/control/abort", True),
        ("abort_endpoint: ~", "https://h/b/control/abort", True),
        ("abort_endpoint: /stop", "https://h/b/stop", False),
        ("abort_endpoint: /control/abort", "https://h/b/control/abort", True),
        ("abort_endpoint: HTTPS://H:443/b/control/%61bort", "HTTPS://H:443/b/control/%61bort", True),
        ("abort_endpoint: https://h/control/abort", "https://h/control/abort", False),
        ("abort_endpoint: 'https://i/{session}'", "https://i/lead", False),
        ("abort_endpoint: ''", "", False),
    ],
)
def test_where_it_is_stopped(block: str, target: str, default: bool) -> None:
    made, _ = planned(spec("https://h/b", block=block))
    assert (made.abort, made.abort_is_default) == (target, default)


def test_only_open_agent_variables_are_kept_and_the_rest_is_named_without_its_value() -> None:
    made, (note,) = planned(spec("https://h", "env: {OPEN_AGENT_PROVIDER: '1', OPEN_AGENT: '2', SECRET: hush}"))
    assert made.env == {"OPEN_AGENT_PROVIDER": "1"}
    assert "OPEN_AGENT, SECRET" in note
    assert "hush" not in note


@pytest.mark.parametrize(
    "script", ["192.168.1.5:8787", "worker.example:8787", "http://127.1:8787", "':9000'", "https//h"]
)
def test_a_bad_url_is_never_read_as_a_path(script: str) -> None:
    code, (problem,) = refusal(spec(script))
    assert code is Exit.INPUT
    assert "cf-worker.script: " in problem


@pytest.mark.parametrize("script", ["C:\\worker.js", "C:/my workers/x.js"])
def test_a_path_of_another_system_is_a_path(script: str) -> None:
    made, (note,) = planned(spec(f"'{script}'"))
    assert made.base == "http://127.0.0.1:8787"
    assert "is a path" in note


@pytest.mark.parametrize(("field", "text"), [("labels", "labels: {{a: '{}'}}"), ("description", "description: '{}'")])
def test_a_start_that_no_worker_would_read_is_refused(field: str, text: str) -> None:
    made, _ = planned(spec("https://h", text.format("x")))
    room = MAX_START_BYTES - len(start_body(made)) + 1
    for more in (1, 40):
        code, (problem,) = refusal(spec("https://h", text.format("x" * (room + more))))
        assert code is Exit.INPUT
        assert f": {field}: makes the start request " in problem
    made, _ = planned(spec("https://h", text.format("x" * room)))
    assert len(start_body(made)) == MAX_START_BYTES


def test_every_problem_is_reported_in_one_run() -> None:
    data = b"""\
name: Not_A_Label
agent: gpt
session: a.b
owner: $x
env: {lower: 1}
labels: {a: 1}
extra: x
tmux: {role: boss}
cf-worker: {script: 'ftp://h', abort_endpoint: //evil}
name: again
"""
    code, said = refusal(data, {"CF_WORKER_TOKEN": "a b"})
    assert code is Exit.INPUT
    for words in (
        "CF_WORKER_TOKEN: ",
        "line 1, column 7: name: ",
        "line 2, column 8: agent: ",
        "line 3, column 10: session: ",
        "line 4, column 8: owner: ",
        "env.lower: expected text",
        "env.lower: is not a valid variable name",
        "labels.a: expected text",
        "extra: unknown field",
        "tmux.role: ",
        "exactly one executor block",
        "cf-worker.script: ",
        "cf-worker.abort_endpoint: ",
        "line 10, column 1: name: occurs twice",
    ):
        assert sum(words in line for line in said) == 1, words


def test_a_dotted_user_name_comes_with_its_cure() -> None:
    _, (said,) = refusal(spec("https://h", "owner: first.last"))
    assert said.endswith('write "first-last"')


def test_a_bad_variable_alone_is_64() -> None:
    assert refusal(spec("https://h"), {"OPEN_AGENT_OWNER": "a.b"})[0] is Exit.USAGE


def test_a_token_in_the_clear_is_refused() -> None:
    code, (said,) = refusal(spec("http://h"), {"CF_WORKER_TOKEN": "hush"})
    assert code is Exit.USAGE
    assert "CF_WORKER_TOKEN" in said
    assert "hush" not in said


def test_an_empty_mapping_lacks_an_executor_too() -> None:
    _, said = refusal(b"{}")
    assert any("cf-worker" in line for line in said)


def test_a_long_list_of_variables_is_cut() -> None:
    _, (note,) = planned(spec("https://h", "env: {" + ", ".join(f"A{number}: x" for number in range(1000)) + "}"))
    assert "A19 and 980 more" in note
