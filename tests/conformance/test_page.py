"""The page at `/` as it is sent; tests/page has what a browser makes of it."""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.test_routes import BROWSERS, error_of
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd

#: How browsers ask for a page.
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
#: Bytes of the compressed page.
LIMIT = 12 * 1024


@pytest.fixture(scope="module")
def guarded(bus: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a Worker with a control token."""
    variables = {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": "t" * 40}
    with Workerd(tmp_path_factory.mktemp("guarded"), variables) as server:
        yield server


def policy_of(response: httpx.Response) -> dict[str, str]:
    """Return the directives of the Content-Security-Policy."""
    directives = response.headers["Content-Security-Policy"].split("; ")
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


def inline(response: httpx.Response, tag: str) -> list[str]:
    """Return the contents of all elements of one kind."""
    return re.findall(rf"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)


@pytest.mark.parametrize("accept", [PAGE["Accept"], "text/html", "application/json;q=0.5, text/HTML ; q=0.9"])
def test_a_browser_gets_the_page(http: httpx.Client, accept: str) -> None:
    """Whoever asks for HTML gets it, with the version."""
    response = http.get("/", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert http.get("/health").json()["version"] in response.text


@pytest.mark.parametrize(
    "accept", ["*/*", "", "application/json", "application/json, text/html;q=0.5", "text/html;q=0, */*"]
)
def test_a_program_gets_json(http: httpx.Client, accept: str) -> None:
    """There is nothing else at this path."""
    response = http.get("/", headers={"Accept": accept})
    assert error_of(response) == (404, "not_found")
    assert response.headers["Vary"] == "Accept"


def test_a_head_has_the_headers_of_the_page(http: httpx.Client) -> None:
    """As everywhere."""
    head, get = http.head("/", headers=PAGE), http.get("/", headers=PAGE)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Security-Policy"] == get.headers["Content-Security-Policy"]


def test_the_page_can_only_be_read(http: httpx.Client) -> None:
    """405 for a form that is sent there."""
    response = http.post("/", headers=PAGE)
    assert error_of(response) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


def test_the_page_is_kept_nowhere_and_framed_by_nobody(http: httpx.Client) -> None:
    """Its headers keep it out of caches and frames, and its address out of other sites' logs."""
    response = http.get("/", headers=PAGE)
    assert response.headers["Vary"] == "Accept"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers
    assert policy_of(response)["frame-ancestors"] == "'none'"


def test_nothing_runs_but_the_pages_own_script(http: httpx.Client) -> None:
    """The policy names one script and one style, by what they contain, and nothing that is elsewhere."""
    response = http.get("/", headers=PAGE)
    policy = policy_of(response)
    for tag in ["script", "style"]:
        [content] = inline(response, tag)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_is_small_and_whole(http: httpx.Client) -> None:
    """It names nothing that would have to be fetched."""
    response = http.get("/", headers=PAGE)
    assert len(gzip.compress(response.content)) <= LIMIT
    assert not re.search(r"<(?:script|img|iframe|object|embed)\s|@import|url\(", response.text)
    assert all(link.startswith("data:") for link in re.findall(r'<link[^>]* href="([^"]*)"', response.text))


def test_a_worker_with_a_token_serves_the_page_to_everyone(guarded: Workerd) -> None:
    """It says nothing but that a token is wanted."""
    with guarded.client() as stranger:
        for headers in BROWSERS:
            response = stranger.get("/", headers={"Host": "worker.example", **PAGE, **headers})
            assert response.status_code == 200
            assert 'data-auth="token"' in response.text


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost", "[::1]:8787"])
def test_an_open_worker_serves_the_page_on_this_machine(http: httpx.Client, host: str) -> None:
    """Also to someone who followed a link: the page itself has no data."""
    response = http.get("/", headers={"Host": host, "Sec-Fetch-Site": "cross-site", **BROWSERS[3], **PAGE})
    assert response.status_code == 200
    assert 'data-auth="none"' in response.text
    assert inline(response, "script")


@pytest.mark.parametrize("headers", BROWSERS, ids=str)
@pytest.mark.parametrize("host", ["evil.example:8787", "192.168.1.7:8787"])
def test_an_open_worker_elsewhere_only_says_what_to_do(http: httpx.Client, host: str, headers: dict[str, str]) -> None:
    """A name that is not loopback can be made to resolve here: no script, and how to protect the Worker."""
    response = http.get("/", headers={"Host": host, **PAGE, **headers})
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert not inline(response, "script")
    assert "CONTROL_TOKEN" in response.text
    assert "start, list and stop AI agents" in response.text


def test_a_token_that_no_header_can_carry_closes_the_data_not_the_page(bus: NatsServer, tmp_path: Path) -> None:
    """The page shows why."""
    with Workerd(tmp_path, {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": ""}) as server, server.client() as client:
        response = client.get("/", headers=PAGE)
        assert response.status_code == 200
        assert 'data-auth="unusable"' in response.text
