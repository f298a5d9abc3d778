"""The routes: methods, bodies, and errors as JSON."""

from urllib.parse import quote

import httpx
import pytest


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return status and code of an error, whose message must be a sentence."""
    body = response.json()
    assert sorted(body) == ["error", "message"]
    assert len(body["message"].split()) > 2
    return response.status_code, body["error"]


def test_health_identifies_the_worker(http: httpx.Client) -> None:
    """The probe of the dispatcher finds liveness, the version and whether the routes are open."""
    response = http.get("/health")
    assert response.status_code == 200
    body = response.json()
    assert body.pop("version")
    assert body == {"ok": True, "agent": "open-agent", "auth": "none"}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/agent",
        "/agent/",
        "/agent/a/b",
        "/agents/",
        "/agents/a",
        "/control",
        "/control/abort/",
        "/control/abort/a/b",
    ],
)
def test_other_paths_are_not_found(http: httpx.Client, path: str) -> None:
    """A path without a route answers 404."""
    assert error_of(http.post(path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/agents", "GET, HEAD"),
        ("DELETE", "/agent/a", "GET, POST"),
        ("GET", "/control/abort", "POST"),
        ("GET", "/control/abort/a", "POST"),
    ],
)
def test_other_methods_are_refused_with_allow(http: httpx.Client, method: str, path: str, allow: str) -> None:
    """A wrong method answers 405 with Allow."""
    response = http.request(method, path)
    assert error_of(response) == (405, "method_not_allowed")
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize("session", ["a.b", "*", ">", "a b", "$SYS", "a\u00a0b", "a\u200bb", "a\tb", "x" * 256])
def test_a_session_that_is_not_a_subject_token_is_refused(http: httpx.Client, session: str) -> None:
    """A session that would reach other subjects, or is not a subject, answers 400."""
    assert error_of(http.post(f"/agent/{quote(session, safe='')}")) == (400, "bad_request")


def test_a_session_that_is_not_utf8_is_refused(http: httpx.Client) -> None:
    """Percent-encoded bytes must be UTF-8."""
    assert error_of(http.post("/agent/%ff")) == (400, "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "{",
        '{"surprise": 1}',
        '{"agent": "clippy"}',
        '{"agent": 1}',
        '{"name": {}}',
        '{"owner": "a.b"}',
        '{"owner": "a b"}',
        '{"owner": "\\ud800"}',
        '{"labels": []}',
        '{"labels": {"a": 1}}',
        '{"env": {"PATH": "/"}}',
        '{"env": {"OPEN_AGENT_MODEL_ID": 1}}',
        '{"env": {"OPEN_AGENT_MODEL": "typed wrongly"}}',
        '{"description": 1}',
    ],
)
def test_an_invalid_body_is_refused(http: httpx.Client, session: str, body: str) -> None:
    """A wrong field answers 400 and starts nothing."""
    headers = {"Content-Type": "application/json"}
    assert error_of(http.post(f"/agent/{session}", content=body, headers=headers)) == (400, "bad_request")
    assert http.get(f"/agent/{session}").status_code == 404


def test_a_body_of_another_type_is_refused(http: httpx.Client, session: str) -> None:
    """Only JSON is read."""
    headers = {"Content-Type": "application/yaml"}
    response = http.post(f"/agent/{session}", content="agent: echo", headers=headers)
    assert error_of(response) == (415, "unsupported_media_type")


def test_a_body_too_large_is_refused(http: httpx.Client, session: str) -> None:
    """A start is small."""
    response = http.post(f"/agent/{session}", json={"description": "x" * 65536})
    assert error_of(response) == (413, "too_large")


def test_an_unknown_session_is_not_found(http: httpx.Client, session: str) -> None:
    """Looking at what was never started answers 404, and again: looking leaves nothing."""
    for _ in range(2):
        assert error_of(http.get(f"/agent/{session}")) == (404, "not_found")


def test_aborting_nothing_stops_nothing(http: httpx.Client, session: str) -> None:
    """An abort without an agent succeeds with an empty list."""
    response = http.post(f"/control/abort/{session}")
    assert (response.status_code, response.json()) == (200, {"stopped": []})


@pytest.mark.parametrize("path", ["/health", "/agent/a", "/agents", "/nowhere"])
def test_no_answer_is_kept_by_a_cache(http: httpx.Client, path: str) -> None:
    """States change, and some answers hold a capability."""
    assert http.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/agent/{}", "/control/abort/{}", "/control/abort"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_web_page_of_another_origin_is_refused(
    http: httpx.Client, session: str, path: str, headers: dict[str, str]
) -> None:
    """Without a token any page in a browser on this machine could start and stop agents: 403."""
    http.post(f"/agent/{session}")
    response = http.post(path.format(session), headers=headers)
    assert error_of(response) == (403, "forbidden")
    assert "CONTROL_TOKEN" in response.json()["message"]
    assert http.get(f"/agent/{session}").json()["state"] == "ready"


#: What browsers send, also for a read of the page's own origin over plain http, where the first three are missing.
BROWSERS = [
    {"Origin": "http://evil.example:8787"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://evil.example:8787/"},
    {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
    {"User-Agent": "", "Accept-Language": "en-US,en;q=0.5"},
    {"User-Agent": "", "Accept-Language": "*", "Priority": "u=4"},
    {"User-Agent": "", "Accept-Language": "*", "Sec-GPC": "1"},
    {"Sec-Fetch-Dest": "image"},
    {"Sec-CH-UA": '"Chromium"'},
    {"Upgrade-Insecure-Requests": "1"},
]
ROUTES = [
    ("GET", "/health"),
    ("GET", "/agents"),
    ("GET", "/agent/{}"),
    ("POST", "/agent/{}"),
    ("POST", "/control/abort"),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("headers", BROWSERS, ids=str)
@pytest.mark.parametrize(
    "host", ["evil.example:8787", "192.168.1.7:8787", "localhost.evil.example", "127.0.0.1.nip.io"]
)
def test_a_browser_at_a_name_that_is_not_loopback_is_refused(
    http: httpx.Client, session: str, host: str, headers: dict[str, str], route: tuple[str, str]
) -> None:
    """A page may let its own name resolve to this Worker, and is of the same origin then: reads are refused too."""
    method, path = route
    response = http.request(method, path.format(session), headers={"Host": host, **headers})
    assert error_of(response) == (403, "forbidden")
    assert "CONTROL_TOKEN" in response.json()["message"]


@pytest.mark.parametrize("host", ["evil.example:8787", "worker.internal", "10.0.0.7"])
def test_a_program_may_use_any_name(http: httpx.Client, session: str, host: str) -> None:
    """It has none of the headers by which browsers are known; Node's fetch sends some that look alike."""
    headers = {"Host": host, "User-Agent": "node", "Accept-Language": "*", "Sec-Fetch-Mode": "cors"}
    assert http.post(f"/agent/{session}", headers=headers).status_code == 201
    assert http.get(f"/agent/{session}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8787", "127.1.2.3", "localhost:8787", "LOCALHOST.", "a.localhost", "[::1]:8787"]
)
def test_a_browser_on_this_machine_may_look(http: httpx.Client, host: str) -> None:
    """Nobody else can let these names resolve to a Worker."""
    headers = {**BROWSERS[3], "Accept-Language": "en", "Sec-Fetch-Site": "none", "Host": host}
    assert http.get("/health", headers=headers).status_code == 200


def test_a_read_by_another_page_is_refused(http: httpx.Client, session: str) -> None:
    """Also on loopback."""
    headers = {**BROWSERS[3], "Sec-Fetch-Site": "cross-site"}
    assert error_of(http.get(f"/agent/{session}", headers=headers)) == (403, "forbidden")


def test_a_page_of_the_same_origin_is_not(http: httpx.Client, session: str) -> None:
    """Requests from a page of the same origin are allowed."""
    origin = str(http.base_url).rstrip("/")
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert http.post(f"/agent/{session}", headers=headers).status_code == 201
