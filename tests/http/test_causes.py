"""Why there was no response, in words of our own."""

import errno
import ssl
from collections.abc import Iterator

import httpcore
import httpx
import pytest

from exec_cf.http.attempt import Attempt
from exec_cf.http.causes import describe
from exec_cf.http.connect import UnreachableError
from exec_cf.http.model import RequestError

PROXY = httpx.URL("http://user:hush@proxy.example:3128")


def attempt(*, received: bool = False, ended: bool = False) -> Attempt:
    made = Attempt()
    made.begin(500, has_secrets=False)
    made.peer = "192.0.2.1:80"
    made.received = received
    made.ended = ended
    return made


def cause(error: BaseException, proxy: httpx.URL | None = None, *, received: bool = False, ended: bool = False) -> str:
    return describe(error, attempt(received=received, ended=ended), proxy)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise MemoryError


def because(error: Exception, *causes: BaseException) -> Exception:
    first: BaseException = error
    for inner in causes:
        first.__cause__ = inner
        first = inner
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "x"), "connection refused (192.0.2.1:80)"),
        (ConnectionResetError(104, "x"), "the connection was reset (192.0.2.1:80)"),
        (OSError(errno.ENOTCONN, "x"), "the connection was reset (192.0.2.1:80)"),
        (TimeoutError(), "timed out after 500 ms (192.0.2.1:80)"),
        (OSError(113, "No route to host"), "no route to host (192.0.2.1:80)"),
        (OSError("hush"), "OSError (192.0.2.1:80)"),
        (MemoryError(), "out of memory (192.0.2.1:80)"),
        (ImportError("No module named '_ssl'"), "a library cannot be loaded: No module named '_ssl' (192.0.2.1:80)"),
        (httpx.InvalidURL("hush"), "the URL is not one of http or https (192.0.2.1:80)"),
        (UnicodeDecodeError("utf-8", b"hush", 0, 1, "hush"), "UnicodeDecodeError (192.0.2.1:80)"),
        (UnspeakableError(), "UnspeakableError (192.0.2.1:80)"),
        (
            RequestError("a token would be sent unencrypted through a proxy"),
            "a token would be sent unencrypted through a proxy",
        ),
        (because(httpcore.WriteError("hush"), BrokenPipeError(32, "Broken pipe")), "broken pipe (192.0.2.1:80)"),
    ],
)
def test_the_innermost_cause_with_a_description_is_reported(error: Exception, words: str) -> None:
    assert cause(error) == words


@pytest.mark.parametrize("text", [b"X-Echo Bearer hush", "hush", "HTTP/1.1 200 hush"])
def test_what_a_peer_sent_is_not_repeated(text: str | bytes) -> None:
    error = httpcore.RemoteProtocolError(f"illegal header line: {bytearray(str(text), 'ascii')}")
    assert cause(error, received=True) == "the answer is not HTTP (192.0.2.1:80)"
    assert cause(error, received=True, ended=True) == "the connection was closed within the answer (192.0.2.1:80)"
    assert cause(error) == "the connection was closed without an answer (192.0.2.1:80)"


def test_a_failure_on_the_way_to_a_proxy_is_attributed_to_the_proxy() -> None:
    described = cause(UnreachableError("connection refused (127.0.0.1:3128)"), PROXY)
    assert described == "connection refused (127.0.0.1:3128) (through the proxy of the environment)"
    assert cause(TimeoutError(), PROXY) == "timed out after 500 ms (192.0.2.1:80, the proxy of the environment)"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("403 hush", "refuses a connection to the Worker (HTTP 403)"),
        ("503 ", "refuses a connection to the Worker (HTTP 503)"),
        ("407 Basic hush", "requires other credentials (HTTP 407); write user:password@ before its host"),
    ],
)
def test_the_refusal_of_a_proxy_is_reported_by_its_status(said: str, words: str) -> None:
    error = httpcore.ProxyError(said)
    assert cause(error, PROXY) == f"the proxy proxy.example:3128 of the environment {words}"


@pytest.fixture
def refused() -> Iterator[ssl.SSLCertVerificationError]:
    error = ssl.SSLCertVerificationError(1, "hush")
    yield error


@pytest.mark.parametrize(
    ("code", "cure"),
    [(10, ""), (62, ""), (9, "; is the clock of this machine right?")]
    + [(code, "; SSL_CERT_FILE names another trust store") for code in (18, 19, 20, 21)],
)
def test_a_cure_is_named_where_it_cures(code: int, cure: str, refused: ssl.SSLCertVerificationError) -> None:
    refused.verify_code, refused.verify_message = code, "some reason"
    assert cause(refused) == f"the certificate is not trusted: some reason{cure} (192.0.2.1:80)"


def test_a_circle_of_causes_ends() -> None:
    error = OSError(113, "No route to host")
    error.__context__ = other = TimeoutError()
    other.__context__ = error
    assert cause(error).startswith("timed out")


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (ssl.SSLEOFError, "EOF occurred in violation of protocol (_ssl.c:1006)", "the peer closed the connection"),
        (ssl.SSLError, "[SSL] malloc failure (_ssl.c:3098)", "malloc failure"),
        (ssl.SSLError, "unknown error (_ssl.c:3124)", "unknown error"),
    ],
)
def test_a_tls_failure_without_a_reason_is_reported_as_it_is(kind: type[ssl.SSLError], text: str, words: str) -> None:
    assert cause(without_reason(kind, text)).startswith(f"TLS failed: {words}")


def test_a_system_without_random_numbers_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL itself says that it has no memory."""
    monkeypatch.setattr(ssl, "RAND_status", lambda: False)
    error = without_reason(ssl.SSLError, "[SSL] malloc failure (_ssl.c:3098)")
    assert cause(error) == "TLS failed: this system gives no random numbers (192.0.2.1:80)"


def without_reason(kind: type[ssl.SSLError], text: str) -> ssl.SSLError:
    """Return an error as OpenSSL raises it with an empty table of reasons."""
    error = kind(1, text)
    error.reason = None  # type: ignore[assignment]  # typeshed says text
    return error
