"""How many connections, handshakes and flights a call takes."""

import socket
import time
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.http_proxy import Proxy
from tests.support.namespace import SWALLOWING, Namespace
from tests.support.program import Program, outcome
from tests.support.relay import Relay
from tests.support.specs import spec
from tests.support.stub import WorkerStub, started


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.usefixtures("not_emulated")
def test_a_spawn_takes_four_round_trips(program: Program, authority: Authority) -> None:
    """One for TCP, one for TLS, one for the probe and one for the start; of these the relay sees three."""
    with WorkerStub(started(), tls=authority.server("127.0.0.1")) as worker, Relay(worker.port, 0.025) as relay:
        ended = program.run(spec(f"https://127.0.0.1:{relay.port}"), env={"SSL_CERT_FILE": str(authority.file)})
    assert outcome(ended) == ("ready", "")
    assert (relay.connections, relay.handshakes) == (1, 1)
    assert relay.flights == 6


def test_an_agent_is_stopped_again_on_the_same_connection(program: Program, authority: Authority) -> None:
    with (
        WorkerStub(started(), tls=authority.server("127.0.0.1")) as worker,
        Relay(worker.port) as relay,
        Path("/dev/full").open("wb") as full,
    ):
        env = {"SSL_CERT_FILE": str(authority.file)}
        ended = program.run(spec(f"https://127.0.0.1:{relay.port}"), env=env, stdout=full)
    assert ended.code == 70
    assert worker.lines == ["GET /health", "POST /agent/lead", "POST /control/abort/lead"]
    assert (relay.connections, relay.handshakes) == (1, 1)


@pytest.mark.parametrize("token", ["", "hush"])
def test_a_spawn_over_http_takes_one_connection(program: Program, token: str) -> None:
    with WorkerStub(started(), token=token) as worker, Relay(worker.port) as relay:
        ended = program.run(spec(f"http://127.0.0.1:{relay.port}"), env={"CF_WORKER_TOKEN": token})
    assert outcome(ended) == ("ready", "")
    assert relay.connections == 1


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_spawn_through_a_proxy_takes_one_tunnel(program: Program, authority: Authority, is_encrypted: bool) -> None:
    tls = authority.server("127.0.0.1") if is_encrypted else None
    with WorkerStub(started(), tls=authority.server("worker.example")) as worker, Proxy(worker.port, tls=tls) as proxy:
        env = {"SSL_CERT_FILE": str(authority.file), "HTTPS_PROXY": proxy.url}
        ended = program.run(spec("https://worker.example"), env=env)
    assert outcome(ended) == ("ready", "")
    assert [head.target for head in proxy.heads] == ["worker.example:443"]
    assert proxy.heads[0].headers["user-agent"].startswith("orch-executor-cf-worker/")


def test_a_proxy_for_an_ipv6_address_gets_brackets(program: Program, authority: Authority) -> None:
    with WorkerStub(started(), tls=authority.server("2001:db8::1")) as worker, Proxy(worker.port) as proxy:
        env = {"SSL_CERT_FILE": str(authority.file), "ALL_PROXY": proxy.url}
        tunnelled = program.run(spec("https://[2001:db8::1]"), env=env)
        env = {**env, "CF_WORKER_BOOTSTRAP": "0"}
        forwarded = program.run(spec("http://[2001:db8::1]:8787/base"), env=env)
    assert (outcome(tunnelled), outcome(forwarded)) == (("ready", ""), ("ready", ""))
    assert [f"{head.method} {head.target}" for head in proxy.heads] == [
        "CONNECT [2001:db8::1]:443",
        "GET http://[2001:db8::1]:8787/base/health",
    ]


def test_a_name_with_a_dot_at_its_end_has_the_certificate_of_the_name(program: Program, authority: Authority) -> None:
    with WorkerStub(started(), tls=authority.server("localhost")) as worker:
        env = {"SSL_CERT_FILE": str(authority.file)}
        ended = program.run(spec(f"https://localhost.:{worker.port}"), env=env)
    assert outcome(ended) == ("ready", "")


class TestAddresses:
    """Some of which swallow packets."""

    @pytest.mark.parametrize("dead", SWALLOWING)
    def test_any_that_answers_is_enough(self, program: Program, tmp_path: Path, dead: str) -> None:
        hosts = f"{dead} worker.example\n127.0.0.1 worker.example\n"
        with Namespace(tmp_path, hosts=hosts) as space, WorkerStub(started(), create=space.make) as worker:
            began = time.monotonic()
            ended = program.run(spec(f"http://worker.example:{worker.port}"), within=space.within())
            took_s = time.monotonic() - began
        assert outcome(ended) == ("ready", "")
        assert took_s < 5, "the attempt's limit: nobody waits for an address that does not answer"
        assert worker.lines == ["GET /health", "POST /agent/lead"]

    def test_those_that_were_tried_are_named(self, program: Program, tmp_path: Path) -> None:
        hosts = "".join(f"{dead} worker.example\n" for dead in SWALLOWING)
        env = {"CF_WORKER_HEALTHCHECK_RETRIES": "1", "CF_WORKER_HEALTHCHECK_TIMEOUT_MS": "700"}
        with Namespace(tmp_path, hosts=hosts) as space:
            ended = program.run(spec("http://worker.example:8787"), within=space.within(), env=env)
        cause = "timed out after 700 ms ([fd09::2]:8787, 10.9.0.2:8787)"
        assert outcome(ended) == ("failed", f"healthcheck: {cause}")

    def test_a_proxy_has_addresses_too(self, program: Program, tmp_path: Path) -> None:
        hosts = "fd09::2 proxy.example\n127.0.0.1 proxy.example\n"
        with Namespace(tmp_path, hosts=hosts) as space, Proxy(create=space.make) as proxy:
            env = {"HTTP_PROXY": f"http://proxy.example:{proxy.port}", "CF_WORKER_BOOTSTRAP": "0"}
            ended = program.run(spec("http://worker.example"), within=space.within(), env=env)
        assert outcome(ended) == ("ready", "")


def test_the_token_goes_to_no_address_that_is_not_loopback(program: Program, tmp_path: Path) -> None:
    """`localhost` may lead elsewhere: what counts is whom the connection reached."""
    with Namespace(tmp_path, hosts="10.9.0.1 localhost\n") as space:
        listener = space.make(lambda: socket.create_server(("10.9.0.1", 8787)))
        with listener:
            env = {"CF_WORKER_TOKEN": "hush", "CF_WORKER_HEALTHCHECK_RETRIES": "1"}
            handle = program.run(spec("http://localhost:8787"), env={"CF_WORKER_HEALTHCHECK": "0"}).out
            ended = program.run(handle, "--abort", within=space.within(), env=env)
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(10)
                with pytest.raises(ConnectionResetError):
                    peer.recv(100)
    assert ended.code == 70
    assert "a token would be sent unencrypted to 10.9.0.1:8787" in ended.err
    assert "hush" not in ended.err
