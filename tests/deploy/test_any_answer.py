"""Whatever is answered, a deployment ends with an exit code of the contract, and never because the program failed."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf import deploy
from exec_cf.cli import run
from exec_cf.errors import Exit
from exec_cf.http import Request, RequestError, Response
from tests.deploy.test_plan import BUNDLE, ENVIRON, TOKEN
from tests.support.world import FakeWorld

URL = "https://orch-cf-agent.acme.workers.dev"
SCALARS = st.none() | st.booleans() | st.integers(-10, 10**6) | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)
LIVE = {
    "resources": {
        "bindings": [
            {"name": "SESSIONS", "type": "durable_object_namespace", "class_name": "AgentSession"},
            {"name": "REGISTRY", "type": "durable_object_namespace", "class_name": "Registry"},
        ],
        "script_runtime": {"migration_tag": "v1", "compatibility_date": "2026-11-01"},
    }
}
RESULTS: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"deployments": [{"versions": [{"version_id": "a", "percentage": 100}]}]},
        {"deployments": []},
        LIVE,
        {"resources": {}},
        {"subdomain": "acme"},
        {"subdomain": {"enabled": True, "previews_enabled": False, "url": URL}},
        {"subdomain": {"url": "http://elsewhere.example"}},
        [{"id": "a" * 32, "name": "Acme"}],
        {"status": "active"},
        None,
    ]
)
CODES = st.sampled_from([0, 971, 1000, 7003, 10000, 10007, 10021, 10035, 10063, 10079, 10090, 10222, 99999])
SUCCESS = st.builds(lambda result: {"success": True, "errors": [], "result": result}, RESULTS | ANYTHING)
REFUSAL = st.builds(
    lambda code, text: {"success": False, "errors": [{"code": code, "message": text}]}, CODES, st.text()
)
HEALTH = st.builds(
    lambda version, auth: {"ok": True, "agent": "open-agent", "version": version, "auth": auth},
    st.sampled_from([BUNDLE.version, "0.0.1", ""]),
    st.sampled_from(["token", "none"]),
)
BODIES = st.builds(lambda value: json.dumps(value).encode(), SUCCESS | REFUSAL | HEALTH | ANYTHING) | st.binary(
    max_size=9
)
STATUSES = st.sampled_from([200, 200, 200, 204, 301, 400, 401, 403, 404, 412, 429, 500, 504])
HEADERS = st.sampled_from([{}, {"retry-after": "7"}, {"retry-after": "99999"}, {"retry-after": "soon"}])
ANSWERS = st.builds(Response, STATUSES, BODIES, HEADERS) | st.builds(RequestError, st.text(max_size=9))
DOCUMENTS = st.sampled_from(
    [
        "vars: {}",
        "open: true",
        "secrets: {CONTROL_TOKEN: {env: BUS}}",
        "secrets: {CONTROL_TOKEN: {file: new.token, create: true}, NATS_TOKEN: null}\nreplace: true\nsubdomain: acme",
    ]
)


@pytest.fixture(scope="module", autouse=True)
def small_bundle() -> Any:
    """Carry a small Worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploy.bundles, "load", lambda: BUNDLE)
        yield


@given(
    st.sampled_from([["--deploy"], ["--deploy", "--dry-run"], ["--undeploy", "--yes"], ["--undeploy", "--dry-run"]]),
    DOCUMENTS,
    st.lists(ANSWERS, min_size=1, max_size=9),
    st.booleans(),
)
def test_any_answers_end_with_an_exit_code(
    arguments: list[str], document: str, answers: list[Response | RequestError], names_account: bool
) -> None:
    turns = itertools.cycle(answers)

    def exchange(_: Request) -> Response:
        answer = next(turns)
        if isinstance(answer, RequestError):
            raise answer
        return answer

    environ = {**ENVIRON, "BUS": TOKEN}
    if not names_account:
        environ.pop("CLOUDFLARE_ACCOUNT_ID")
    world = FakeWorld(document.encode(), environ, exchange)
    code = run(arguments, world)
    assert code in set(Exit)
    assert "please report this with" not in "".join(world.errors)
    assert (world.written != b"") == (code == 0 and "--deploy" in arguments)
    assert TOKEN not in "".join(world.errors) + world.written.decode()
