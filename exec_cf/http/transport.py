"""An httpx transport over our own connections, with one pool for each scheme and proxy."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping

import httpcore
import httpx

from exec_cf import urls
from exec_cf.errors import InvalidValue
from exec_cf.http import proxies
from exec_cf.http.attempt import Attempt
from exec_cf.http.connect import Backend
from exec_cf.http.model import RequestError
from exec_cf.http.trust import Trust


class Transport(httpx.BaseTransport):
    """Sends requests, directly or through a proxy, and reuses connections."""

    def __init__(self, environ: Mapping[str, str], user_agent: str, attempt: Attempt) -> None:
        self._environ = environ
        self._user_agent = user_agent
        self._attempt = attempt
        self._backend = Backend(attempt)
        self._pools: dict[tuple[str, str], httpcore.ConnectionPool] = {}
        self._trust: Trust | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response, its body unread. Raises any error of the libraries below."""
        self._attempt.begin_request()
        try:
            return self._send(request)
        except Exception as error:
            if not self._may_send_again(error):
                raise
        self.close()
        self._attempt.begin_request()
        response = self._send(request)
        response.extensions["resent"] = True
        return response

    def proxy(self, url: httpx.URL) -> httpx.Proxy | None:
        """Return the proxy for *url*, or None; there is none for loopback. Raises `RequestError`."""
        named = any(name.lower().endswith("_proxy") for name in self._environ)
        if not named or urls.is_loopback(f"{url.scheme}://{url.netloc.decode('ascii')}"):
            return None
        try:
            return proxies.proxy_for(url, self._environ)
        except InvalidValue as invalid:
            raise RequestError(f"{invalid.message}; {invalid.hint}") from None

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _may_send_again(self, error: Exception) -> bool:
        """Return whether *error* may be due to our own caching, so that the request should be repeated once.

        The peer may close an idle connection just as the next request is sent, or may have sent more than its previous
        response; and the hashed folder may have fewer certificates than the file.
        """
        attempt = self._attempt
        if isinstance(error, TimeoutError | RequestError):
            return False
        if not attempt.connected and not attempt.received:
            return isinstance(error, OSError | httpcore.NetworkError | httpcore.RemoteProtocolError)
        if not attempt.connected and not attempt.ended and isinstance(error, httpcore.RemoteProtocolError):
            return True  # it began before the request
        return isinstance(error, ssl.SSLCertVerificationError) and self._trust is not None and self._trust.widen()

    def _send(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        proxy = self.proxy(url)
        self._attempt.loopback_only = self._attempt.has_secrets and url.scheme == "http"
        if self._attempt.loopback_only and proxy:
            raise RequestError("a token would be sent unencrypted through a proxy")
        sent = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=_bracketed(url.raw_host), port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
        )
        response = self._pool(url.scheme, proxy).handle_request(sent)
        if not self._attempt.received:
            # It came with the previous response, so it does not answer this request (such as an early 408 of a proxy).
            raise httpcore.RemoteProtocolError
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions={"proxied": bool(proxy) and url.scheme == "http"},
        )

    def _pool(self, scheme: str, proxy: httpx.Proxy | None) -> httpcore.ConnectionPool:
        key = scheme, str(proxy.url) if proxy else ""
        if key not in self._pools:
            self._pools[key] = self._new_pool(scheme, proxy)
        return self._pools[key]

    def _new_pool(self, scheme: str, proxy: httpx.Proxy | None) -> httpcore.ConnectionPool:
        context = self._context() if scheme == "https" else None
        if proxy is None:
            return httpcore.ConnectionPool(ssl_context=context, network_backend=self._backend)
        return httpcore.HTTPProxy(
            proxy_url=httpcore.URL(
                scheme=proxy.url.raw_scheme,
                host=_bracketed(proxy.url.raw_host),
                port=proxy.url.port,
                target=b"/",
            ),
            proxy_auth=proxy.raw_auth,
            proxy_headers=[(b"User-Agent", self._user_agent.encode())],
            ssl_context=context,
            proxy_ssl_context=self._context() if proxy.url.scheme == "https" else None,
            network_backend=self._backend,
        )

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = Trust(self._environ)
        return self._trust.context()


class _Body(httpx.SyncByteStream):
    """The body of a response, as it comes."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


def _bracketed(host: bytes) -> bytes:
    """Return *host* as in a URL: httpx removes the brackets of IPv6, and httpcore does not add them for a proxy."""
    return b"[" + host + b"]" if b":" in host else host
