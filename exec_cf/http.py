"""One HTTP exchange with a limit by the clock. httpx lives behind this module, and loads at the first request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import msgspec

from exec_cf import urls
from exec_cf._version import version
from exec_cf.errors import InvalidValue

if TYPE_CHECKING:
    import ssl

    import httpx

MAX_REDIRECTS = 10
MAX_BODY_BYTES = 64 * 1024
"""Bytes of an answer's body that are read where the body is wanted; the rest is left unread."""

USER_AGENT = f"orch-executor-cf-worker/{version}"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. One that wants the answer's body follows no redirect, since it may carry a token."""

    method: str
    url: str
    timeout_ms: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    read_body: bool = False


class Response(msgspec.Struct, frozen=True):
    """A final answer; *body* is empty unless it was wanted."""

    status: int
    body: bytes = b""


class RequestError(Exception):
    """There was no answer; the text says why, in words for people."""


def exchange(request: Request, environ: Mapping[str, str]) -> Response:
    """Return the final answer to *request*.

    Raises `RequestError` when there is none, and in any case when the request's limit has passed: the exchange runs
    on a thread that is left behind then, since neither name resolution nor a peer that drips bytes can be interrupted.
    """
    outcome: SimpleQueue[Response | RequestError] = SimpleQueue()
    threading.Thread(target=lambda: outcome.put(_outcome(request, environ)), daemon=True).start()
    try:
        result = outcome.get(timeout=request.timeout_ms / 1000)
    except Empty:
        raise RequestError(f"timed out after {request.timeout_ms} ms") from None
    if isinstance(result, RequestError):
        raise result
    return result


def _outcome(request: Request, environ: Mapping[str, str]) -> Response | RequestError:
    try:
        return _perform(request, environ)
    except RequestError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever is wrong with a URL or a library is a failed exchange
        return RequestError(_cause(error, urls.host_of(request.url), request.timeout_ms))


def _perform(request: Request, environ: Mapping[str, str]) -> Response:
    import httpx

    own = {"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"}
    headers = {**own, **request.headers}
    limits = {"timeout": httpx.Timeout(request.timeout_ms / 1000).as_dict()}
    content = request.body or None
    outgoing = httpx.Request(request.method, request.url, headers=headers, content=content, extensions=limits)
    for _ in range(MAX_REDIRECTS + 1):
        if outgoing.url.scheme not in {"http", "https"}:
            raise RequestError(f"redirected to {outgoing.url.scheme}:, which is not followed")
        came = _hop(outgoing, request, environ)
        if isinstance(came, Response):
            return came
        outgoing = came  # which carries no authorization to another host
    raise RequestError(f"more than {MAX_REDIRECTS} redirects")


def _hop(outgoing: httpx.Request, request: Request, environ: Mapping[str, str]) -> Response | httpx.Request:
    """Return the answer to *outgoing*, or the request that it redirects to. Raises `RequestError`."""
    import httpx

    proxy = _proxy(outgoing.url, environ)
    # httpx itself would build a TLS context for http too, and ask proxies for loopback.
    verify = cast("ssl.SSLContext", _tls(outgoing.url, environ))
    client = httpx.Client(verify=verify, proxy=proxy, trust_env=False)
    try:
        with client:
            answer = client.send(outgoing, stream=True)
            follow = None if request.read_body else answer.next_request
            body = _body(answer) if request.read_body else b""
    except Exception as error:  # noqa: BLE001  whatever a peer provokes in the stack below is a failed exchange
        looked_up = proxy.url.host if proxy else outgoing.url.host
        via = " (through the proxy of the environment)" if proxy else ""
        raise RequestError(_cause(error, looked_up, request.timeout_ms) + via) from None
    return follow or Response(answer.status_code, body)


def _proxy(url: httpx.URL, environ: Mapping[str, str]) -> httpx.Proxy | None:
    """Return the proxy that leads to *url*, None for none and for loopback. Raises `RequestError`."""
    named = any(name.lower().endswith("_proxy") for name in environ)
    if not named or urls.is_loopback(f"{url.scheme}://{url.netloc.decode()}"):
        return None
    from exec_cf import proxies

    try:
        proxy = proxies.chosen(url, environ)
    except InvalidValue as invalid:
        raise RequestError(f"{invalid.message}; {invalid.hint}") from None
    if proxy:
        proxy.ssl_context = _tls(proxy.url, environ)
    return proxy


def _tls(url: httpx.URL, environ: Mapping[str, str]) -> ssl.SSLContext | None:
    if url.scheme != "https":
        return None
    import ssl

    from exec_cf import trust

    try:
        return trust.context(environ)
    except ssl.SSLError:
        raise _no_trust_store(environ, "it holds no certificate") from None
    except OSError as error:
        raise _no_trust_store(environ, (error.strerror or str(error)).lower()) from None


def _no_trust_store(environ: Mapping[str, str], reason: str) -> RequestError:
    from exec_cf import trust

    named = " and ".join(name for name in trust.VARIABLES if environ.get(name)) or "the system's"
    return RequestError(f"the trust store cannot be read ({named}): {reason}")


def _body(answer: httpx.Response) -> bytes:
    """Return what the body begins with; none when it is encoded, which was not asked for and unpacks without bound."""
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        return b""
    read = bytearray()
    for chunk in answer.iter_raw():
        read += chunk
        if len(read) > MAX_BODY_BYTES:
            break
    return bytes(read[:MAX_BODY_BYTES])


def _cause(error: BaseException, host: str, timeout_ms: int) -> str:
    """Return why *error* happened, in the words of the innermost exception that has some; *host* was looked up."""
    known = _words(host, timeout_ms)
    for inner in reversed(list(_chain(error))):
        for kind, words in known:
            if isinstance(inner, kind):
                return words(inner)
    return f"{type(error).__name__}: {error}"


def _words(host: str, timeout_ms: int) -> list[tuple[type[BaseException], Callable[[Any], str]]]:
    """Return what is said of each kind of exception, the special before the general."""
    import socket
    import ssl

    import httpx

    late = f"timed out after {timeout_ms} ms"
    other_store = "SSL_CERT_FILE names another trust store"
    return [
        (ssl.SSLCertVerificationError, lambda e: f"the certificate is not trusted: {e.verify_message}; {other_store}"),
        (ssl.SSLError, lambda e: f"TLS failed: {(e.reason or 'not spoken by the peer').replace('_', ' ').lower()}"),
        (socket.gaierror, lambda e: f"the name {host} was not found: {e.strerror}"),
        (ConnectionRefusedError, lambda _: "connection refused"),
        (ConnectionResetError, lambda _: "the connection was reset"),
        (TimeoutError, lambda _: late),
        (OSError, lambda e: (e.strerror or str(e)).lower()),
        (httpx.TimeoutException, lambda _: late),
        (httpx.InvalidURL, lambda e: f"a URL that is none: {e}"),
        (httpx.ProxyError, lambda e: f"the proxy refused: {e}"),
        (httpx.RemoteProtocolError, lambda e: f"the answer is not HTTP: {e}"),
        (ImportError, lambda _: "a SOCKS proxy is not supported; name an http:// one"),
        (UnicodeError, lambda _: f"{host} is no host name"),
    ]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
