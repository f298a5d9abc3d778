"""One exchange, against servers of good and bad manners."""

import socket

import pytest

from exec_cf.http import MOST_BODY, USER_AGENT, Answer, Failed, Request, exchange
from tests.support import manners
from tests.support.manners import HEALTHY, STALLED, UNHEALTHY, Manner, Server

SOON_MS = 300
LONG_MS = 30_000


def get(url: str, limit_ms: int = LONG_MS) -> Answer:
    return exchange(Request(method="GET", url=url, limit_ms=limit_ms), {})


def post(url: str, body: bytes = b"{}", limit_ms: int = LONG_MS, **headers: str) -> Answer:
    asked = Request(method="POST", url=url, limit_ms=limit_ms, headers=headers, body=body, wants_body=True)
    return exchange(asked, {})


@pytest.mark.parametrize("manner", [m for name, m in HEALTHY.items() if name not in {"bad once", "reset twice"}])
def test_a_request_that_wants_no_body_takes_the_status(manner: Manner) -> None:
    with Server(manner) as server:
        assert 200 <= get(f"{server.url}/health").status < 300


@pytest.mark.parametrize(("manner", "words"), UNHEALTHY.values(), ids=UNHEALTHY)
def test_what_is_no_answer_is_told_in_words(manner: Manner, words: str) -> None:
    with Server(manner) as server:
        if words.startswith("HTTP "):
            assert f"HTTP {get(f'{server.url}/health').status}" == words
        else:
            with pytest.raises(Failed, match=words):
                get(f"{server.url}/health")


@pytest.mark.parametrize("manner", STALLED.values(), ids=STALLED)
def test_an_attempt_ends_at_its_limit_whatever_the_peer_does(manner: Manner) -> None:
    with Server(manner) as server, pytest.raises(Failed, match=f"timed out after {SOON_MS} ms"):
        get(f"{server.url}/health", SOON_MS)


def test_a_server_that_never_accepts_ends_at_the_limit() -> None:
    with Server(manners.ok, accepts=False) as server, pytest.raises(Failed, match=f"timed out after {SOON_MS} ms"):
        get(f"{server.url}/health", SOON_MS)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Failed, match=r"^connection refused$"):
        get(f"http://127.0.0.1:{port}/health")


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(Failed, match=r"^the name nobody\.invalid was not found"):
        get("http://nobody.invalid/health")


def test_who_asks_is_told() -> None:
    with Server(manners.ok) as server:
        get(f"{server.url}/health")
    assert server.heads[0].headers["user-agent"] == USER_AGENT
    assert server.heads[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_a_redirect_across_hosts_loses_the_authorization() -> None:
    with Server(manners.ok) as other, Server(manners.redirect(f"http://localhost:{other.port}/")) as server:
        request = Request(method="GET", url=server.url, limit_ms=LONG_MS, headers={"authorization": "Bearer hush"})
        assert exchange(request, {}).status == 200
    assert server.heads[0].headers["authorization"] == "Bearer hush"
    assert "authorization" not in other.heads[0].headers


def test_a_request_sends_its_body_and_reads_the_answer() -> None:
    with Server(manners.status(201, body=b'{"a":1}')) as server:
        assert post(f"{server.url}/agent/x", b'{"name":"x"}') == Answer(201, b'{"a":1}')
    assert server.heads[0].headers["content-length"] == "12"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_request_that_wants_the_body_follows_no_redirect(code: int) -> None:
    with Server(manners.redirect("/elsewhere", code)) as server:
        assert post(f"{server.url}/agent/x").status == code
    assert manners.targets(server.heads) == ["POST /agent/x"]


def test_an_answer_without_end_is_read_to_a_bound() -> None:
    with Server(manners.endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)) as server:
        assert len(post(server.url).body) == MOST_BODY


def test_an_answer_that_stalls_ends_at_the_limit() -> None:
    with (
        Server(manners.silent(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")) as server,
        pytest.raises(Failed, match="timed out"),
    ):
        post(server.url, limit_ms=SOON_MS)
