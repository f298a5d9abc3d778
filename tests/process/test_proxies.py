"""Proxies: taken from the environment, never for loopback."""

import pytest

from tests.support import manners
from tests.support.certificates import Authority
from tests.support.http_proxy import Proxy
from tests.support.manners import Server, targets
from tests.support.program import Program, outcome
from tests.support.specs import spec

ONCE = {"CF_WORKER_BOOTSTRAP": "0", "CF_WORKER_HEALTHCHECK_RETRIES": "1"}


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_http_goes_through_the_proxy(program: Program, variable: str) -> None:
    with Proxy() as proxy:
        ended = program.run(spec("http://worker.example/base"), env={**ONCE, variable: proxy.url})
    assert outcome(ended) == ("ready", "")
    assert targets(proxy.heads) == ["GET http://worker.example/base/health"]


def test_https_goes_through_a_tunnel(program: Program, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with Server(manners.ok, authority.server("worker.example")) as server, Proxy(server.port) as proxy:
        env = {**ONCE, "HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.file)}
        ended = program.run(spec("https://worker.example"), env=env)
    assert outcome(ended) == ("ready", "")
    assert targets(proxy.heads) == ["CONNECT worker.example:443"]
    assert targets(server.heads) == ["GET /health"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "app.localhost"])
def test_loopback_never_goes_through_a_proxy(program: Program, host: str) -> None:
    with Server(manners.ok) as server, Proxy(manner=manners.status(502)) as proxy:
        env = {**ONCE, "http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url}
        ended = program.run(spec(f"http://{host}:{server.port}"), env=env)
    assert outcome(ended) == ("ready", "")
    assert proxy.heads == []


def test_a_redirect_to_loopback_is_not_followed(program: Program) -> None:
    with Server(manners.ok) as server, Proxy(manner=manners.redirect(f"{server.url}/there")) as proxy:
        ended = program.run(spec("http://worker.example"), env={**ONCE, "http_proxy": proxy.url})
    assert outcome(ended)[0] == "failed"
    assert (targets(proxy.heads), targets(server.heads)) == (["GET http://worker.example/health"], [])


def test_no_proxy_is_respected(program: Program) -> None:
    with Proxy() as proxy:
        env = {**ONCE, "http_proxy": proxy.url, "NO_PROXY": "worker.invalid"}
        status, message = outcome(program.run(spec("http://worker.invalid"), env=env))
    assert status == "failed"
    assert "worker.invalid was not found" in message
    assert proxy.heads == []


def test_no_proxy_may_list_addresses_and_networks(program: Program) -> None:
    """As is usual on clusters."""
    with Proxy() as proxy:
        env = {**ONCE, "http_proxy": proxy.url, "NO_PROXY": "localhost,127.0.0.1,::1,[::1],fd00::/8,10.0.0.0/8"}
        ended = program.run(spec("http://worker.example"), env=env)
    assert outcome(ended) == ("ready", "")
    assert targets(proxy.heads) == ["GET http://worker.example/health"]


def test_a_variable_that_holds_no_url_is_named_without_its_text(program: Program) -> None:
    ended = program.run(spec("http://worker.example"), env={**ONCE, "HTTP_PROXY": "http://user:pa/ss@127.0.0.1:1"})
    cause = "healthcheck: HTTP_PROXY is not the URL of a proxy; write it like http://proxy.example:3128"
    assert outcome(ended) == ("failed", cause)
    assert "pa/ss" not in ended.err
    assert "'pa'" not in ended.err


def test_a_name_beyond_ascii_goes_out_as_dns_knows_it(program: Program) -> None:
    with Proxy() as proxy:
        ended = program.run(spec("http://bücher.example"), env={**ONCE, "http_proxy": proxy.url})
    assert outcome(ended) == ("ready", "")
    assert targets(proxy.heads) == ["GET http://xn--bcher-kva.example/health"]


def test_a_proxy_that_refuses_is_reported(program: Program) -> None:
    with Proxy(manner=manners.status(407, "proxy-authenticate: Basic realm=x")) as proxy:
        env = {**ONCE, "http_proxy": proxy.url.replace("//", "//user:hush@")}
        ended = program.run(spec("http://worker.example"), env=env)
    status, message = outcome(ended)
    assert status == "failed"
    assert message.startswith(
        "healthcheck: HTTP 407 from the proxy, not from the Worker: it requires other credentials; "
    )
    assert "user:password@" in message
    assert "hush" not in ended.err
