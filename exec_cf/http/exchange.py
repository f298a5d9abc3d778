"""Exchanges: a request and its response, following redirects, within a timeout."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import httpx

from exec_cf.http import causes
from exec_cf.http.addresses import is_port
from exec_cf.http.attempt import Attempt
from exec_cf.http.model import SECRET_HEADERS, Request, RequestError, Response
from exec_cf.http.transport import Transport

MAX_REDIRECTS = 10

BODY_PATIENCE_S = 0.25
"""Seconds to wait for a body that the request does not need."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Exchanger:
    """Makes exchanges, one after another, and reuses connections."""

    def __init__(self, environ: Mapping[str, str], user_agent: str) -> None:
        self._headers = {"user-agent": user_agent, "accept": "application/json", "accept-encoding": "identity"}
        self._attempt = Attempt()
        self._transport = Transport(environ, user_agent, self._attempt)

    def exchange(self, request: Request) -> Response:
        """Return the response to *request*. Raises `RequestError`, after closing all connections."""
        self._attempt.begin(request.timeout_ms, has_secrets=request.has_secrets)
        try:
            response = self._follow_redirects(request)
        except Exception:
            self._transport.close()
            raise
        self._attempt.finished = True
        return response

    def close(self) -> None:
        """Close the connections that were kept."""
        self._transport.close()

    def _follow_redirects(self, request: Request) -> Response:
        headers = {**self._headers, **request.headers}
        try:
            outgoing = _request(request.method, httpx.URL(request.url), headers, request.body or None)
        except (httpx.InvalidURL, ValueError):
            raise RequestError("the URL has no usable host") from None
        for _ in range(MAX_REDIRECTS + 1):
            response = self._hop(outgoing, request)
            target = None if request.read_body else _redirect_target(outgoing, response)
            if target is None:
                return response
            outgoing = target
            self._attempt.has_secrets = any(name in SECRET_HEADERS for name in outgoing.headers)
        raise RequestError(f"more than {MAX_REDIRECTS} redirects")

    def _hop(self, outgoing: httpx.Request, request: Request) -> Response:
        proxy = self._transport.proxy(outgoing.url)
        try:
            received = self._transport.handle_request(outgoing)
            try:
                body = self._body(received, request)
            finally:
                received.close()
        except Exception as error:  # noqa: BLE001  the libraries may raise anything for what a peer sends
            raise RequestError(causes.describe(error, self._attempt, proxy.url if proxy else None)) from None
        return Response(
            received.status_code,
            body,
            dict(received.headers),
            str(outgoing.url),
            proxied=received.extensions["proxied"],
            resent=bool(received.extensions.get("resent")),
        )

    def _body(self, received: httpx.Response, request: Request) -> bytes:
        """Return the beginning of the body.

        It is empty if the body is encoded, which was not requested and could decompress to any size.
        """
        read = bytearray()
        if request.read_body:
            _read_into(read, received, request.body_limit)
        else:
            # Only a connection whose response was read to its end can be reused.
            with contextlib.suppress(Exception), self._attempt.at_most(BODY_PATIENCE_S):
                _read_into(read, received, request.body_limit)
        is_encoded = received.headers.get("content-encoding", "identity").lower() != "identity"
        return b"" if is_encoded else bytes(read[: request.body_limit])


def _request(method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None) -> httpx.Request:
    """Return a request whose Host keeps an encoded name as it is, which httpx would decode."""
    return httpx.Request(method, url, headers={"host": url.netloc.decode("ascii"), **headers}, content=content)


def _read_into(read: bytearray, received: httpx.Response, limit: int) -> None:
    for chunk in received.iter_raw():
        read += chunk
        if len(read) > limit:
            return


def _redirect_target(sent: httpx.Request, response: Response) -> httpx.Request | None:
    """Return the request that *response* redirects to, or None if it is no redirect or leads away from the Worker.

    Credentials in the URL are dropped, and secrets are only sent to the same origin. Raises `RequestError` if the
    target is not an http(s) URL.
    """
    if response.status not in _REDIRECTS or "location" not in response.headers or sent.method != "GET":
        return None
    try:
        url = sent.url.join(response.headers["location"]).copy_with(fragment=None, username=None, password=None)
    except (httpx.InvalidURL, ValueError):
        raise RequestError(_NOWHERE) from None
    if url.scheme not in {"http", "https"} or not url.raw_host or not is_port(url.port):
        raise RequestError(_NOWHERE)
    if _bare_host(url) != _bare_host(sent.url) or url.raw_path.startswith(_NOT_THE_WORKERS):
        return None
    same_origin = (url.scheme, url.port) == (sent.url.scheme, sent.url.port)
    kept = {
        name: value
        for name, value in sent.headers.items()
        if name != "host" and (same_origin or name not in SECRET_HEADERS)
    }
    return _request("GET", url, kept)


_NOT_THE_WORKERS = b"/cdn-cgi/"
"""Cloudflare reserves these paths on every host, for example for logins of Access."""

_NOWHERE = "the redirect does not lead to an http(s) URL"


def _bare_host(url: httpx.URL) -> bytes:
    return url.raw_host.lower().removesuffix(b".")
