"""Who may use the routes of a Worker with a control token."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.nats import NatsServer
from tests.support.workerd import Workerd

TOKEN = "correct horse-battery_staple/and-more".replace(" ", "~")


@pytest.fixture(scope="module")
def guarded(bus: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a Worker with a control token."""
    variables = {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": f"{TOKEN}\n"}
    with Workerd(tmp_path_factory.mktemp("guarded"), variables) as server:
        yield server


@pytest.fixture
def stranger(guarded: Workerd) -> Iterator[httpx.Client]:
    """Return a client without the token."""
    with guarded.client() as client:
        yield client


@pytest.fixture
def owner(guarded: Workerd) -> Iterator[httpx.Client]:
    """Return a client with the token."""
    with guarded.client(TOKEN) as client:
        yield client


GUARDED = [
    ("GET", "/agents"),
    ("HEAD", "/agents"),
    ("POST", "/agent/a"),
    ("GET", "/agent/a"),
    ("POST", "/control/abort"),
    ("POST", "/control/abort/a"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", f"Token {TOKEN}", "Bearer a b"])
def test_without_credentials_the_answer_is_401(
    stranger: httpx.Client, method: str, path: str, header: str | None
) -> None:
    """Every route but the probe requires the token."""
    headers = {} if header is None else {"Authorization": header}
    response = stranger.request(method, path, headers=headers)
    assert response.status_code == 401
    assert method == "HEAD" or response.json()["error"] == "unauthorized"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("token", ["wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_with_a_wrong_token_the_answer_is_403(stranger: httpx.Client, method: str, path: str, token: str) -> None:
    """A token that is almost right is wrong."""
    response = stranger.request(method, path, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403
    assert method == "HEAD" or response.json()["error"] == "forbidden"


def test_the_probe_is_open_and_says_that_the_rest_is_not(stranger: httpx.Client) -> None:
    """A probe needs no secret."""
    assert stranger.get("/health").json()["auth"] == "token"


def test_the_abort_path_is_good_without_headers(owner: httpx.Client, stranger: httpx.Client, session: str) -> None:
    """The dispatcher posts to the abort target and sends no headers."""
    abort = owner.post(f"/agent/{session}").json()["abort"]
    assert stranger.post(abort).json() == {"stopped": [session]}


def test_the_abort_path_aborts_its_session_only(owner: httpx.Client, stranger: httpx.Client, session: str) -> None:
    """A capability for one session opens neither another nor another route."""
    abort = owner.post(f"/agent/{session}").json()["abort"]
    query = abort.partition("?")[2]
    assert stranger.post(f"/control/abort/other?{query}").status_code == 403
    assert stranger.post(f"/control/abort/{session}?cap=").status_code == 403
    assert stranger.post(f"/control/abort/{session}?{query[:-1]}").status_code == 403
    assert stranger.post(f"/control/abort?{query}").status_code == 401
    assert stranger.get(f"/agent/{session}?{query}").status_code == 401
    assert owner.get(f"/agent/{session}").json()["state"] == "ready"


def test_the_token_opens_an_outdated_abort_path(owner: httpx.Client, session: str) -> None:
    """After a change of the token its holder can still stop what older handles name."""
    owner.post(f"/agent/{session}")
    assert owner.post(f"/control/abort/{session}?cap=outdated").json() == {"stopped": [session]}


def test_the_token_opens_every_route(owner: httpx.Client, session: str) -> None:
    """Start, look, list and abort work with the bearer."""
    assert owner.post(f"/agent/{session}").status_code == 201
    assert owner.get(f"/agent/{session}").status_code == 200
    assert session in [agent["session"] for agent in owner.get("/agents").json()["agents"]]
    assert owner.post(f"/control/abort/{session}").json() == {"stopped": [session]}


def test_the_token_is_never_shown(owner: httpx.Client, guarded: Workerd, session: str) -> None:
    """Neither a response nor the log contains the token or the capability."""
    started = owner.post(f"/agent/{session}")
    answers = [started, *(owner.get(path) for path in [f"/agent/{session}", "/health", "/agent/none", "/agents"])]
    assert all(TOKEN not in answer.text for answer in answers)
    capability = started.json()["abort"].partition("cap=")[2]
    assert capability not in answers[-1].text
    assert TOKEN not in guarded.log
    assert capability not in guarded.log


def test_an_open_worker_warns_in_its_log(worker: Workerd, guarded: Workerd) -> None:
    """Open routes are logged once; closed ones are not."""
    assert worker.log.count("routes are open") == 1
    assert "CONTROL_TOKEN" in worker.log
    assert "routes are open" not in guarded.log


def test_the_token_is_all_that_a_web_page_needs(owner: httpx.Client, session: str) -> None:
    """Its owner may post from any origin."""
    headers = {"Origin": "https://console.example", "Sec-Fetch-Site": "cross-site"}
    assert owner.post(f"/agent/{session}", headers=headers).status_code == 201


@pytest.mark.parametrize("token", ["two words", "tok\u00e9n", " ", "\t\n", ""])
def test_a_token_that_no_header_can_carry_is_reported(bus: NatsServer, tmp_path: Path, token: str) -> None:
    """The probe, the log and every refusal say so; nothing is open."""
    variables = {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": token}
    with Workerd(tmp_path, variables) as worker, worker.client("two") as client:
        assert client.get("/health").json()["auth"] == "unusable"
        for response in [client.post("/agent/a"), client.post("/control/abort/a?cap=x"), client.get("/agent/a")]:
            assert (response.status_code, response.json()["error"]) == (500, "internal")
            assert "CONTROL_TOKEN" in response.json()["message"]
            assert not token.strip() or token not in response.text
        assert worker.log.count("CONTROL_TOKEN") == 1
        assert not token.strip() or token not in worker.log


def test_a_weak_token_is_reported_to_whoever_has_it(bus: NatsServer, tmp_path: Path, session: str) -> None:
    """A handle lets its reader test guesses, so a short token is called weak; strangers learn nothing of that."""
    weak = "x" * 31
    variables = {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": weak}
    with Workerd(tmp_path, variables) as worker, worker.client() as stranger, worker.client(weak) as owner:
        assert stranger.get("/health").json()["auth"] == "token"
        assert stranger.get("/health", headers={"Authorization": "Bearer x"}).json()["auth"] == "token"
        assert owner.get("/health").json()["auth"] == "weak"
        started = owner.post(f"/agent/{session}")
        for answer in (started, owner.get(f"/agent/{session}")):
            assert "weak" in answer.json()["warning"]
        assert "weak" not in stranger.get(f"/agent/{session}").text
        assert "weak" not in stranger.post(started.json()["abort"]).text
        assert worker.log.count('"event":"the token is weak"') == 1
        assert weak not in worker.log


def test_a_token_of_32_characters_is_not_weak(owner: httpx.Client, guarded: Workerd, session: str) -> None:
    """`openssl rand -hex 32` makes 64."""
    assert owner.get("/health").json()["auth"] == "token"
    assert "warning" not in owner.post(f"/agent/{session}").json()
    assert "weak" not in guarded.log
