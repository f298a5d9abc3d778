"""Describes why there was no response, without anything that a peer sent, which may contain secrets or lies."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator

import httpcore
import httpx

from exec_cf.http import trust
from exec_cf.http.attempt import Attempt
from exec_cf.http.connect import UnreachableError
from exec_cf.http.model import RequestError


def describe(error: BaseException, attempt: Attempt, proxy: httpx.URL | None) -> str:
    """Return the cause of *error* and the peer's address; *proxy* is the proxy in use, if any."""
    try:
        return _described(error, attempt, proxy)
    except Exception:  # noqa: BLE001  there may be too little memory for a description
        return type(error).__name__


def _described(error: BaseException, attempt: Attempt, proxy: httpx.URL | None) -> str:
    chain = list(_chain(error))
    known = next((inner for inner in chain if isinstance(inner, RequestError)), None)
    if known:
        return (
            f"{known} (through the proxy of the environment)"
            if proxy and isinstance(known, UnreachableError)
            else str(known)
        )
    if isinstance(error, httpcore.ProxyError):
        return _refusal(error, proxy)
    cause = next(filter(None, (_words(inner, attempt) for inner in reversed(chain))), type(error).__name__)
    where = ", ".join(filter(None, [attempt.peer, "the proxy of the environment" if proxy else ""]))
    return f"{cause} ({where})" if where else cause


def _words(error: BaseException, attempt: Attempt) -> str:  # noqa: C901, PLR0911  a table of types
    """Return the description of *error*, or an empty text; specific types before general ones."""
    match error:
        case ssl.SSLError():
            return trust.cause(error)
        case MemoryError():
            return "out of memory"
        case ConnectionRefusedError():
            return "connection refused"
        case (
            ConnectionResetError() | OSError(errno=errno.ENOTCONN)
        ):  # the latter if the socket is found unconnected before use
            return "the connection was reset"
        case TimeoutError():
            return f"timed out after {attempt.timeout_ms} ms"
        case OSError():
            return error.strerror.lower() if error.strerror else type(error).__name__
        case httpcore.RemoteProtocolError() if not attempt.received:
            return "the connection was closed without an answer"
        case httpcore.RemoteProtocolError():
            return "the connection was closed within the answer" if attempt.ended else "the answer is not HTTP"
        case httpx.InvalidURL() | httpcore.UnsupportedProtocol():
            return "the URL is not one of http or https"
        case ImportError():
            return f"a library cannot be loaded: {error}"
    return ""


def _refusal(error: httpcore.ProxyError, proxy: httpx.URL | None) -> str:
    """Return the description of a refused CONNECT; httpcore's text begins with the status."""
    status = str(error)[:3]
    at = f"the proxy {_endpoint(proxy)} of the environment" if proxy else "the proxy"
    if status == "407":
        return f"{at} requires other credentials (HTTP 407); write user:password@ before its host"
    return f"{at} refuses a connection to the Worker (HTTP {status})"


def _endpoint(proxy: httpx.URL) -> str:
    host = proxy.raw_host.decode("ascii", "replace")
    port = proxy.port or {"http": 80, "https": 443}.get(proxy.scheme, 0)
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    known: set[int] = set()
    while seen is not None and id(seen) not in known:
        known.add(id(seen))
        yield seen
        seen = seen.__cause__ or seen.__context__
