"""One exchange, against servers of good and bad manners."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from exec_cf.http import MAX_BODY_BYTES, USER_AGENT, Network, Request, RequestError, Response, trust
from exec_cf.http.trust import Store
from tests.support import manners
from tests.support.certificates import Authority
from tests.support.http_proxy import Proxy
from tests.support.manners import HEALTHY, STALLED, UNHEALTHY, Manner, Server
from tests.support.process import free_port

SOON_MS = 300
LONG_MS = 30_000


def exchange(request: Request, environ: Mapping[str, str] | None = None) -> Response:
    network = Network(environ or {})
    try:
        return network.exchange(request)
    finally:
        network.close()


def get(url: str, timeout_ms: int = LONG_MS, **environ: str) -> Response:
    return exchange(Request(method="GET", url=url, timeout_ms=timeout_ms), environ)


def post(url: str, body: bytes = b"{}", timeout_ms: int = LONG_MS, **headers: str) -> Response:
    asked = Request(method="POST", url=url, timeout_ms=timeout_ms, headers=headers, body=body, read_body=True)
    return exchange(asked)


@pytest.mark.parametrize("manner", [m for name, m in HEALTHY.items() if name not in {"bad once", "reset twice"}])
def test_a_request_that_wants_no_body_takes_the_status(manner: Manner) -> None:
    with Server(manner) as server:
        assert 200 <= get(f"{server.url}/health").status < 300


@pytest.mark.parametrize(("manner", "words"), UNHEALTHY.values(), ids=UNHEALTHY)
def test_a_missing_response_is_described(manner: Manner, words: str) -> None:
    with Server(manner) as server:
        if words.startswith("HTTP "):
            assert f"HTTP {get(f'{server.url}/health').status}" == words
        else:
            with pytest.raises(RequestError, match=words):
                get(f"{server.url}/health")


@pytest.mark.parametrize("host", ["010.0.0.1", "256.1.1.1", "a..b\u3002", "\u00ad"])
def test_a_host_that_cannot_be_asked_is_a_failed_request(host: str) -> None:
    """A handle of an earlier release may hold one."""
    with pytest.raises(RequestError, match=r"^the URL has no usable host$"):
        get(f"http://{host}/", SOON_MS)


@pytest.mark.parametrize("manner", STALLED.values(), ids=STALLED)
def test_an_attempt_ends_at_its_limit_whatever_the_peer_does(manner: Manner) -> None:
    with Server(manner) as server, pytest.raises(RequestError, match=f"timed out after {SOON_MS} ms"):
        get(f"{server.url}/health", SOON_MS)


def test_a_server_that_never_accepts_ends_at_the_limit() -> None:
    with (
        Server(manners.ok, accepts=False) as server,
        pytest.raises(RequestError, match=f"timed out after {SOON_MS} ms"),
    ):
        get(f"{server.url}/health", SOON_MS)


def test_nobody_listens() -> None:
    with pytest.raises(RequestError, match=r"^connection refused \(127\.0\.0\.1:[0-9]+\)$"):
        get(f"http://127.0.0.1:{free_port()}/health")


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(RequestError, match=r"^the name nobody\.invalid was not found"):
        get("http://nobody.invalid/health")


def test_the_user_agent_is_sent() -> None:
    with Server(manners.ok) as server:
        get(f"{server.url}/health")
    assert server.heads[0].headers["user-agent"] == USER_AGENT
    assert server.heads[0].headers["host"] == f"127.0.0.1:{server.port}"


SECRETS = {"Authorization": "Bearer hush", "CF-Access-Client-Id": "hush", "CF-Access-Client-Secret": "hush"}


def with_secrets(url: str) -> Request:
    return Request(method="GET", url=url, timeout_ms=LONG_MS, headers={**SECRETS, "x-other": "yes"})


def test_a_redirect_to_another_origin_loses_the_secrets() -> None:
    with Server(manners.ok) as other, Server(manners.redirect(f"http://127.0.0.1:{other.port}/")) as server:
        assert exchange(with_secrets(server.url)).status == 200
    assert {name: server.heads[0].headers[name.lower()] for name in SECRETS} == SECRETS
    assert {name.lower() for name in SECRETS}.isdisjoint(other.heads[0].headers)
    assert other.heads[0].headers["x-other"] == "yes"


def test_a_redirect_within_the_origin_keeps_them() -> None:
    with Server(manners.redirects(1)) as server:
        assert exchange(with_secrets(server.url)).status == 200
    assert {name: server.heads[1].headers[name.lower()] for name in SECRETS} == SECRETS


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with Server(manners.ok) as other, Server(manners.redirect(f"http://localhost:{other.port}/")) as server:
        response = get(server.url)
    assert (response.status, response.headers["location"]) == (302, f"http://localhost:{other.port}/")
    assert other.heads == []


def test_a_password_in_a_redirect_is_not_sent() -> None:
    with Server(manners.ok) as other, Server(manners.redirect(f"http://ann:hush@127.0.0.1:{other.port}/")) as server:
        response = get(server.url)
    assert response.status == 200
    assert "authorization" not in other.heads[0].headers
    assert "hush" not in response.url


def test_a_redirect_to_what_cloudflare_keeps_to_itself_is_not_followed() -> None:
    with Server(manners.redirect("/cdn-cgi/access/login/worker.example")) as server:
        assert get(server.url).status == 302
    assert len(server.heads) == 1


def test_a_request_sends_its_body_and_reads_the_answer() -> None:
    with Server(manners.status(201, body=b'{"a":1}')) as server:
        response = post(f"{server.url}/agent/x", b'{"name":"x"}')
    assert (response.status, response.body) == (201, b'{"a":1}')
    assert response.headers == {"content-length": "7", "connection": "close"}
    assert server.heads[0].headers["content-length"] == "12"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_request_that_wants_the_body_follows_no_redirect(code: int) -> None:
    with Server(manners.redirect("/elsewhere", code)) as server:
        assert post(f"{server.url}/agent/x").status == code
    assert manners.targets(server.heads) == ["POST /agent/x"]


def test_an_answer_without_end_is_read_to_a_bound() -> None:
    with Server(manners.endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)) as server:
        assert len(post(server.url).body) == MAX_BODY_BYTES


@pytest.mark.parametrize("encoding", ["gzip, gzip", "GZIP", "zstd", "deflate"])
def test_an_encoded_answer_is_not_unpacked(encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(bytes(10_000_000)))
    with Server(manners.status(201, f"content-encoding: {encoding}", body=bomb)) as server:
        assert post(server.url).body == b""
    assert server.heads[0].headers["accept-encoding"] == "identity"


def test_an_answer_that_says_that_it_is_not_encoded_is_read() -> None:
    with Server(manners.status(200, "content-encoding: Identity", body=b"{}")) as server:
        assert post(server.url).body == b"{}"


def test_an_answer_that_stalls_ends_at_the_limit() -> None:
    with (
        Server(manners.silent(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")) as server,
        pytest.raises(RequestError, match="timed out"),
    ):
        post(server.url, timeout_ms=SOON_MS)


class TestProxy:
    def test_a_failure_there_is_attributed_to_the_proxy(self) -> None:
        with pytest.raises(
            RequestError, match=r"^connection refused \(127\.0\.0\.1:[0-9]+\) \(through the proxy of the environment\)$"
        ):
            get("http://worker.example/health", http_proxy=f"http://127.0.0.1:{free_port()}")

    def test_the_name_that_is_not_found_is_the_proxys(self) -> None:
        with pytest.raises(RequestError, match=r"^the name proxy\.invalid was not found: .* \(through the proxy"):
            get("http://worker.example/health", http_proxy="http://proxy.invalid:3128")

    def test_what_fails_beside_it_is_not(self) -> None:
        with pytest.raises(RequestError, match=r"^the name nobody\.invalid was not found: [^()]*$"):
            get("http://nobody.invalid/health", http_proxy="http://127.0.0.1:1", no_proxy="invalid")

    def test_the_hop_that_failed_decides(self) -> None:
        port = free_port()
        with (
            Server(manners.redirect(f"http://127.0.0.1:{port}/")) as server,
            pytest.raises(RequestError, match=rf"^connection refused \(127\.0\.0\.1:{port}\)$"),
        ):
            get(server.url)

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "127.1.2.3", "localhost.", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "app.localhost"]
    )
    def test_loopback_is_asked_directly(self, host: str) -> None:
        with Proxy() as proxy, pytest.raises(RequestError, match=r"^connection refused \([^()]*\)$"):
            get(f"http://{host}:{free_port()}/health", http_proxy=proxy.url, all_proxy=proxy.url)
        assert proxy.heads == []

    @pytest.mark.parametrize(
        "listed", ["localhost,127.0.0.1,::1,fd00::/8", "[::1]", "10.0.0.0/8", "10.0.0.0/x", "[", "http://h:x", ",,"]
    )
    def test_whatever_no_proxy_lists_the_others_go_through(self, listed: str) -> None:
        with Proxy() as proxy:
            assert get("http://worker.example/health", HTTP_PROXY=proxy.url, NO_PROXY=listed).status == 200
        assert manners.targets(proxy.heads) == ["GET http://worker.example/health"]

    def test_a_variable_that_holds_none_is_named_without_its_text(self) -> None:
        with pytest.raises(
            RequestError, match=r"^HTTP_PROXY is not the URL of a proxy; write it like http://"
        ) as failed:
            get("http://worker.example/health", HTTP_PROXY="http://user:pa/ss@127.0.0.1:1")
        assert "pa" not in str(failed.value).partition(";")[0].replace("HTTP_PROXY", "")

    def test_the_environment_is_the_one_that_is_handed_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Proxy() as proxy, Server(manners.ok) as server:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "")
            assert get(server.url).status == 200
        assert (len(proxy.heads), len(server.heads)) == (0, 1)

    def test_socks_is_not_supported(self) -> None:
        with pytest.raises(RequestError, match=r"^ALL_PROXY: a SOCKS proxy is not supported; name an http:// one$"):
            get("http://worker.example/health", ALL_PROXY="socks5://127.0.0.1:1")

    def test_one_for_the_other_scheme_is_not_read(self) -> None:
        with Proxy() as proxy:
            assert (
                get("http://worker.example", http_proxy=proxy.url, https_proxy=":", all_proxy="socks5://h").status
                == 200
            )

    def test_a_proxy_that_speaks_tls_is_verified_like_a_worker(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path)
        with Server(manners.ok, authority.server("127.0.0.1")) as proxy:
            assert get("http://worker.example/", http_proxy=proxy.url, SSL_CERT_FILE=str(authority.file)).status == 200
            with pytest.raises(RequestError, match="the certificate is not trusted"):
                get("http://worker.example/", http_proxy=proxy.url)
        assert manners.targets(proxy.heads) == ["GET http://worker.example/"]

    @pytest.mark.parametrize("host", ["xn--n3h.net", "my_app.xn--bcher-kva.example", "XN--N3H.net"])
    def test_a_name_that_is_encoded_goes_as_it_is(self, host: str) -> None:
        with Proxy(manner=manners.redirects(1)) as proxy:
            assert get(f"http://{host}/health", http_proxy=proxy.url).status == 200
        assert manners.targets(proxy.heads) == [f"GET http://{host.lower()}{path}" for path in ("/health", "/hop1")]
        assert {head.headers["host"] for head in proxy.heads} == {host.lower()}

    def test_a_secret_does_not_pass_one_in_the_clear(self) -> None:
        with (
            Proxy() as proxy,
            pytest.raises(RequestError, match=r"^a token would be sent unencrypted through a proxy$"),
        ):
            exchange(with_secrets("http://worker.example"), {"http_proxy": proxy.url})
        assert proxy.heads == []

    # Python's own ssl leaves the socket of a connection that was reset to the garbage collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_tunnel_that_breaks_at_once_is_said_to_be_broken(self) -> None:
        for manner in (manners.reset, manners.raw):
            broken = manner(b"HTTP/1.1 200 OK\r\n\r\n")
            with (
                Server(broken) as proxy,
                pytest.raises(RequestError, match=r"^(TLS failed: the peer c|the c)[a-z ]+ (re|c)"),
            ):
                get("https://worker.example/", https_proxy=proxy.url)

    def test_a_refused_tunnel_is_reported_without_the_proxys_text(self) -> None:
        for code, words in (
            (403, "refuses a connection to the Worker (HTTP 403)"),
            (407, "requires other credentials"),
        ):
            refusal = manners.raw(f"HTTP/1.1 {code} hush hush\r\ncontent-length: 0\r\n\r\n".encode())
            with Server(refusal) as proxy, pytest.raises(RequestError) as failed:
                get("https://worker.example/", https_proxy=proxy.url)
            assert str(failed.value).startswith(f"the proxy 127.0.0.1:{proxy.port} of the environment {words}")
            assert "hush" not in str(failed.value)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class TestConnections:
    """One is kept from exchange to exchange."""

    def test_one_is_enough(self) -> None:
        with Keeping() as server:
            network = Network({})
            for _ in range(3):
                assert network.exchange(server.request()).status == 200
            network.close()
        assert server.connections == 1

    def test_one_that_was_closed_is_replaced(self) -> None:
        with Keeping(closes=True) as server:
            network = Network({})
            assert not network.exchange(server.request()).resent
            server.closed.wait(10)
            assert not network.exchange(server.request()).resent
            network.close()
        assert server.connections == 2

    def test_one_that_broke_is_replaced_once(self) -> None:
        """As the request goes out: that it may have arrived twice is told."""
        with Keeping(breaks_at=2) as server:
            network = Network({})
            assert not network.exchange(server.request()).resent
            response = network.exchange(server.request())
            network.close()
        assert (response.status, response.resent) == (200, True)
        assert server.connections == 2

    @pytest.mark.parametrize("rest", [OK, b"HTTP/1.1 408 X\r\ncontent-length: 0\r\n\r\n", b"x", b"<html>", b"\n\0"])
    def test_what_came_before_a_request_does_not_answer_it(self, rest: bytes) -> None:
        with Keeping(rest=rest) as server:
            network = Network({})
            network.exchange(server.request())
            response = network.exchange(server.request())
            network.close()
        assert (response.status, response.resent) == (200, True)
        assert server.connections == 2

    def test_one_that_breaks_at_once_is_not(self) -> None:
        with Keeping(breaks_at=1) as server, pytest.raises(RequestError, match="closed without an answer"):
            exchange(server.request())
        assert server.connections == 1

    def test_one_that_breaks_within_a_response_is_not(self) -> None:
        with Keeping(cuts_at=2) as server:
            network = Network({})
            network.exchange(server.request())
            with pytest.raises(RequestError, match="the connection was closed within the answer"):
                network.exchange(server.request())
            network.close()
        assert server.connections == 1

    def test_none_is_left_by_an_exchange_that_failed(self) -> None:
        with Keeping(stalls_at=2) as server:
            network = Network({})
            network.exchange(server.request())
            with pytest.raises(RequestError, match=rf"^timed out after {SOON_MS} ms \(127.0.0.1:{server.port}\)$"):
                network.exchange(server.request(SOON_MS))
            assert network.exchange(server.request()).status == 200
            network.close()
        assert server.connections == 2


class TestStore:
    """Of the system, whose folder may hold fewer certificates than its file."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture
    def hashed(self, tmp_path: Path) -> Path:
        folder = tmp_path / "hashed"
        folder.mkdir()
        (folder / "00000000.0").write_text("")
        return folder

    def test_what_was_appended_to_the_file_is_trusted(
        self, authority: Authority, hashed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trust, "SYSTEM_STORES", (Store(str(authority.file), str(hashed)),))
        with Server(manners.ok, authority.server("127.0.0.1")) as server:
            assert get(server.url).status == 200
        assert len(server.heads) == 1

    def test_what_neither_holds_is_refused(
        self, authority: Authority, hashed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other")
        monkeypatch.setattr(trust, "SYSTEM_STORES", (Store(str(other.file), str(hashed)),))
        with (
            Server(manners.ok, authority.server("127.0.0.1")) as server,
            pytest.raises(RequestError, match=r"the certificate is not trusted: .*; SSL_CERT_FILE names another"),
        ):
            get(server.url)


class Keeping:
    """A server that keeps connections, but for what it is told to do at a request, counted from 1."""

    def __init__(
        self, *, closes: bool = False, breaks_at: int = 0, cuts_at: int = 0, stalls_at: int = 0, rest: bytes = b""
    ) -> None:
        self._rest = rest
        self._closes = closes
        self._breaks_at = breaks_at
        self._cuts_at = cuts_at
        self._stalls_at = stalls_at
        self.connections = 0
        self.requests = 0
        self.closed = threading.Event()
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Keeping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def request(self, timeout_ms: int = LONG_MS) -> Request:
        return Request(method="POST", url=f"http://127.0.0.1:{self.port}", timeout_ms=timeout_ms, read_body=True)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with peer, contextlib.suppress(EOFError, OSError):
                self._answer(peer)
            self.closed.set()

    def _answer(self, peer: socket.socket) -> None:
        while True:
            manners.read_head(peer)
            self.requests += 1
            if self.requests == self._breaks_at:
                return
            if self.requests == self._cuts_at:
                peer.sendall(b"HTTP/1.1 20")
                return
            if self.requests == self._stalls_at:
                peer.recv(1)
                return
            peer.sendall(OK + self._rest)
            if self._closes:
                return
