"""One HTTP exchange with a limit by the clock. httpx lives behind this module, and loads at the first request."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from exec_cf import urls
from exec_cf._version import version

if TYPE_CHECKING:
    import ssl

    import httpx

MOST_REDIRECTS = 10
MOST_BODY = 64 * 1024
"""Bytes of an answer's body that are read where the body is wanted; the rest is left unread."""

USER_AGENT = f"orch-executor-cf-worker/{version}"
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. A GET follows redirects and leaves the body unread, a POST sends JSON and reads the answer."""

    method: str
    url: str
    limit_ms: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """A final answer; *body* is empty unless it was wanted."""

    status: int
    body: bytes = b""


class Failed(Exception):  # noqa: N818  reads as a sentence at every raise
    """There was no answer; the text says why, in words for people."""


class Exchange(Protocol):
    """How the rest of the program makes a request: `exchange`, or a fake of it in a test."""

    def __call__(self, request: Request) -> Answer:
        """Return the answer to *request*, or raise `Failed`."""
        ...


def exchange(request: Request, environ: Mapping[str, str]) -> Answer:
    """Return the final answer to *request*.

    Raises `Failed` when there is none, and in any case when the request's limit has passed: the exchange runs on a
    thread that is left behind then, since neither name resolution nor a peer that drips bytes can be interrupted.
    """
    outcome: SimpleQueue[Answer | Failed] = SimpleQueue()
    threading.Thread(target=lambda: outcome.put(_outcome(request, environ)), daemon=True).start()
    try:
        result = outcome.get(timeout=request.limit_ms / 1000)
    except Empty:
        raise Failed(f"timed out after {request.limit_ms} ms") from None
    if isinstance(result, Failed):
        raise result
    return result


def _outcome(request: Request, environ: Mapping[str, str]) -> Answer | Failed:
    try:
        return _perform(request, environ)
    except Failed as failed:
        return failed
    except Exception as error:  # noqa: BLE001  whatever a peer provokes in the stack below is a failed exchange
        return Failed(_cause(error, request))


def _perform(request: Request, environ: Mapping[str, str]) -> Answer:
    import httpx

    url = httpx.URL(request.url)
    for _ in range(MOST_REDIRECTS + 1):
        if url.scheme not in {"http", "https"}:
            raise Failed(f"redirected to {url.scheme}:, which is not followed")
        with _client(url, request, environ) as client:
            outgoing = client.build_request(request.method, url, headers=request.headers, content=request.body or None)
            answer = client.send(outgoing, stream=True)
            follow = answer.next_request if request.method == "GET" else None
            if follow is None:
                return Answer(answer.status_code, _body(answer) if request.method == "POST" else b"")
            url = follow.url
            answer.close()
    raise Failed(f"more than {MOST_REDIRECTS} redirects")


def _client(url: httpx.URL, request: Request, environ: Mapping[str, str]) -> httpx.Client:
    """Return a client for one hop: httpx would build a TLS context for http too, and ask proxies for loopback."""
    import httpx

    return httpx.Client(
        verify=cast("ssl.SSLContext", _tls(url, environ)),
        trust_env=_wants_proxy(url, environ),
        timeout=request.limit_ms / 1000,
        headers={"user-agent": USER_AGENT, "accept": "application/json"},
    )


def _tls(url: httpx.URL, environ: Mapping[str, str]) -> ssl.SSLContext | None:
    if url.scheme != "https":
        return None
    from exec_cf import trust

    try:
        return trust.context(environ)
    except OSError as error:
        raise Failed(f"the trust store cannot be read: {error.strerror or error}; see SSL_CERT_FILE") from None


def _wants_proxy(url: httpx.URL, environ: Mapping[str, str]) -> bool:
    named = any(environ.get(name) or environ.get(name.upper()) for name in _PROXY_VARIABLES)
    return named and not urls.is_loopback(str(url))


def _body(answer: httpx.Response) -> bytes:
    read = bytearray()
    for chunk in answer.iter_bytes():
        read += chunk
        if len(read) > MOST_BODY:
            break
    return bytes(read[:MOST_BODY])


def _cause(error: BaseException, request: Request) -> str:
    """Return why *error* happened, from the innermost exception that says something about the network."""
    import socket
    import ssl

    import httpx

    chain = list(_chain(error))
    for inner in reversed(chain):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {inner.verify_message} (SSL_CERT_FILE names another trust store)"
        if isinstance(inner, socket.gaierror):
            return f"the name {urls.host_of(request.url)} was not found: {inner.strerror}"
        if isinstance(inner, ConnectionRefusedError):
            return "connection refused"
        if isinstance(inner, ConnectionResetError):
            return "the connection was reset"
        if isinstance(inner, ssl.SSLError):
            return f"TLS failed: {inner.reason or 'the peer does not speak it'}".replace("_", " ").lower()
        if isinstance(inner, OSError) and inner.strerror and not isinstance(inner, TimeoutError):
            return inner.strerror.lower()
    if any(isinstance(inner, httpx.TimeoutException | TimeoutError) for inner in chain):
        return f"timed out after {request.limit_ms} ms"
    if any(isinstance(inner, httpx.InvalidURL) for inner in chain):
        return f"redirected to an invalid URL: {error}"
    if any(isinstance(inner, httpx.RemoteProtocolError) for inner in chain):
        return f"the answer is not HTTP: {error}"
    return f"{type(error).__name__}: {error}"


def _chain(error: BaseException) -> Any:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
