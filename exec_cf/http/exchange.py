"""One exchange: a request to its response, by redirects, within its limit."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import httpx

from exec_cf.http import causes
from exec_cf.http.attempt import Attempt
from exec_cf.http.model import SECRET_HEADERS, Request, RequestError, Response
from exec_cf.http.transport import Transport

MAX_REDIRECTS = 10

BODY_PATIENCE_S = 0.25
"""Seconds that a body is waited for which the request can do without."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Exchanger:
    """Makes exchanges, one after another, on connections that it keeps."""

    def __init__(self, environ: Mapping[str, str], user_agent: str) -> None:
        self._headers = {"user-agent": user_agent, "accept": "application/json", "accept-encoding": "identity"}
        self._attempt = Attempt()
        self._transport = Transport(environ, user_agent, self._attempt)

    def exchange(self, request: Request) -> Response:
        """Return the response to *request*. Raises `RequestError`, and leaves no connection behind then."""
        self._attempt.begin(request.timeout_ms, has_secrets=request.has_secrets)
        try:
            response = self._followed(request)
        except Exception:
            self._transport.close()
            raise
        self._attempt.finished = True
        return response

    def close(self) -> None:
        """Close the connections that were kept."""
        self._transport.close()

    def _followed(self, request: Request) -> Response:
        headers = {**self._headers, **request.headers}
        try:
            outgoing = _request(request.method, httpx.URL(request.url), headers, request.body or None)
        except (httpx.InvalidURL, ValueError):
            raise RequestError("the URL has no usable host") from None
        for _ in range(MAX_REDIRECTS + 1):
            response = self._hop(outgoing, request)
            target = None if request.read_body else _redirected(outgoing, response)
            if target is None:
                return response
            outgoing = target
            self._attempt.has_secrets = any(name in SECRET_HEADERS for name in outgoing.headers)
        raise RequestError(f"more than {MAX_REDIRECTS} redirects")

    def _hop(self, outgoing: httpx.Request, request: Request) -> Response:
        proxy = self._transport.proxy(outgoing.url)
        try:
            came = self._transport.handle_request(outgoing)
            try:
                body = self._body(came, request)
            finally:
                came.close()
        except Exception as error:  # noqa: BLE001  whatever a peer provokes in the stack below is a failed exchange
            raise RequestError(causes.describe(error, self._attempt, proxy.url if proxy else None)) from None
        return Response(
            came.status_code,
            body,
            dict(came.headers),
            str(outgoing.url),
            proxied=came.extensions["proxied"],
            resent=bool(came.extensions.get("resent")),
        )

    def _body(self, came: httpx.Response, request: Request) -> bytes:
        """Return what the body begins with.

        None when it is encoded, which was not asked for and unpacks without bound.
        """
        read = bytearray()
        if request.read_body:
            _read_into(read, came, request.body_limit)
        else:
            # To the end if that comes at once, since only then the connection can be kept.
            with contextlib.suppress(Exception), self._attempt.at_most(BODY_PATIENCE_S):
                _read_into(read, came, request.body_limit)
        is_encoded = came.headers.get("content-encoding", "identity").lower() != "identity"
        return b"" if is_encoded else bytes(read[: request.body_limit])


def _request(method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None) -> httpx.Request:
    """Return a request. Names that are encoded go as they are: httpx would decode them for a Host of its own."""
    return httpx.Request(method, url, headers={"host": url.netloc.decode("ascii"), **headers}, content=content)


def _read_into(read: bytearray, came: httpx.Response, limit: int) -> None:
    for chunk in came.iter_raw():
        read += chunk
        if len(read) > limit:
            return


def _redirected(sent: httpx.Request, response: Response) -> httpx.Request | None:
    """Return the request that *response* sends on to, None when it sends nowhere, or away from the Worker.

    The password that a URL may hold is not the Worker's, and secrets are for the origin they were given for. Raises
    `RequestError` when it leads to what is not http.
    """
    if response.status not in _REDIRECTS or "location" not in response.headers or sent.method != "GET":
        return None
    try:
        url = sent.url.join(response.headers["location"]).copy_with(fragment=None, username=None, password=None)
    except (httpx.InvalidURL, ValueError):
        raise RequestError(_NOWHERE) from None
    if url.scheme not in {"http", "https"} or not url.raw_host:
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
"""Cloudflare keeps these paths of every host to itself, a login of Access among them."""

_NOWHERE = "redirected to what is not an http(s) URL"


def _bare_host(url: httpx.URL) -> bytes:
    return url.raw_host.lower().removesuffix(b".")
