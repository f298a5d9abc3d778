"""TLS: what is trusted, and how it reads when it is not."""

import ssl
from pathlib import Path

import pytest

from tests.support import manners
from tests.support.certificates import Authority
from tests.support.manners import Server
from tests.support.program import Program, outcome
from tests.support.specs import spec

ONCE = {"CF_WORKER_BOOTSTRAP": "0", "CF_WORKER_HEALTHCHECK_RETRIES": "1"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def here(authority: Authority) -> ssl.SSLContext:
    return authority.server("127.0.0.1", "localhost")


def test_an_unknown_certificate_is_refused(program: Program, here: ssl.SSLContext) -> None:
    with Server(manners.ok, here) as server:
        status, message = outcome(program.run(spec(server.url), env=ONCE))
    assert status == "failed"
    assert message.startswith("healthcheck: the certificate is not trusted: ")
    assert "SSL_CERT_FILE" in message
    assert server.heads == []


def test_ssl_cert_file_is_trusted(program: Program, here: ssl.SSLContext, authority: Authority) -> None:
    with Server(manners.ok, here) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_FILE": str(authority.file)})
    assert outcome(ended) == ("ready", "")


def test_ssl_cert_dir_is_trusted(program: Program, here: ssl.SSLContext, authority: Authority) -> None:
    with Server(manners.ok, here) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_DIR": str(authority.directory)})
    assert outcome(ended) == ("ready", "")


def test_a_certificate_for_another_name_is_refused(program: Program, authority: Authority) -> None:
    with Server(manners.ok, authority.server("elsewhere.example")) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_FILE": str(authority.file)})
    status, message = outcome(ended)
    assert status == "failed"
    assert "certificate" in message
    assert "127.0.0.1" in message


def test_a_trust_store_that_is_not_there_is_named(program: Program, here: ssl.SSLContext, tmp_path: Path) -> None:
    with Server(manners.ok, here) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_FILE": str(tmp_path / "absent.pem")})
    status, message = outcome(ended)
    assert status == "failed"
    assert "trust store" in message
    assert "SSL_CERT_FILE" in message


def test_an_invalid_trust_store_is_named(program: Program, here: ssl.SSLContext, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    with Server(manners.ok, here) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_FILE": str(tmp_path / "junk.pem")})
    status, message = outcome(ended)
    assert status == "failed"
    assert "trust store" in message


def test_plain_http_needs_no_trust_store(program: Program, tmp_path: Path) -> None:
    with Server(manners.ok) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_FILE": str(tmp_path / "absent.pem")})
    assert outcome(ended) == ("ready", "")


def test_a_server_that_asks_for_a_certificate_is_not_said_to_be_unreachable(
    program: Program, here: ssl.SSLContext, authority: Authority
) -> None:
    """In TLS 1.3 it refuses after the handshake: its alert is read, or what is left of a connection that it reset."""
    here.verify_mode = ssl.CERT_REQUIRED
    here.load_verify_locations(str(authority.file))
    with Server(manners.ok, here) as server:
        ended = program.run(spec(server.url), env={**ONCE, "SSL_CERT_FILE": str(authority.file)})
    status, message = outcome(ended)
    assert status == "failed"
    refusals = ("TLS failed: tlsv13 alert certificate required", "the connection was ")
    assert message.removeprefix("healthcheck: ").startswith(refusals)


def test_http_on_an_https_port(program: Program, here: ssl.SSLContext) -> None:
    with Server(manners.ok, here) as server:
        status, message = outcome(program.run(spec(server.url.replace("https", "http")), env=ONCE))
    assert status == "failed"
    assert message.startswith("healthcheck: the ")


def test_https_on_an_http_port(program: Program) -> None:
    with Server(manners.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        url = server.url.replace("http", "https")
        status, message = outcome(program.run(spec(url), env={**ONCE, "CF_WORKER_HEALTHCHECK_TIMEOUT_MS": "2000"}))
    assert status == "failed"
    assert "TLS" in message


def test_a_redirect_to_an_untrusted_server_is_refused(program: Program, here: ssl.SSLContext) -> None:
    with Server(manners.ok, here) as secure, Server(manners.redirect(f"{secure.url}/")) as server:
        status, message = outcome(program.run(spec(server.url), env=ONCE))
    assert status == "failed"
    assert "certificate" in message
