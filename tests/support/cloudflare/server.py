"""The API over HTTP on loopback."""

import json
import ssl
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.cloudflare import operations
from tests.support.cloudflare.account import TOKEN, Account, ApiError, Script
from tests.support.cloudflare.contract import OURS, Breach, Request, Understood, check_answer, understand

_BASE = "/client/v4"


class Reply(NamedTuple):
    """An answer of the API."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    pause_s: float = 0.0
    """Between any two of its bytes."""


class Call(NamedTuple):
    """One request of a client, and its answer; None if there was none."""

    operation: str
    request: Request
    content: Any
    reply: Reply | None

    @property
    def line(self) -> str:
        """Method, path below the account, and query."""
        path = self.request.path.removeprefix("/accounts/").partition("/")[2] or self.request.path
        query = f"?{self.request.query}" if self.request.query else ""
        return f"{self.request.method} {path}{query}"


Manner = Callable[[Callable[[], Reply]], Reply | None]
"""How one request is treated: it is given a function that does what was asked for and returns the answer. None hangs
up without an answer."""


def refused(code: int, message: str = "refused", status: int = 400, **headers: str) -> Manner:
    """Refuse without doing anything."""
    reply = Reply(status, _envelope(ApiError(code, message, status)), _dashed(headers))
    return lambda _: reply


def answered(status: int, body: bytes, **headers: str) -> Manner:
    """Give any answer without doing anything."""
    reply = Reply(status, body, _dashed(headers))
    return lambda _: reply


def lost(serve: Callable[[], Reply]) -> None:
    """Carry out the request, and close the connection without an answer."""
    serve()


def unheard(_: Callable[[], Reply]) -> None:
    """Close the connection before anything is done."""


def dripping(pause_s: float) -> Manner:
    """Carry out the request, and answer byte by byte."""
    return lambda serve: serve()._replace(pause_s=pause_s)


class Cloudflare:
    """The API for one or more accounts, within a `with` block."""

    def __init__(
        self,
        home: Path,
        *accounts: Account,
        token: str = TOKEN,
        allowed: Collection[Breach] = OURS,
        source: str = "api",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Serve *accounts*, one by default; *allowed* are the known violations of the client."""
        self.accounts = {account.id: account for account in accounts or (Account(home / "acme"),)}
        self.token = token
        self.is_account_token = False
        self.token_status = "active"
        self.source = source
        self.may_write = True
        self.hides_accounts = False
        self.allowed = frozenset(allowed)
        self.calls: list[Call] = []
        self.breaches: set[Breach] = set()
        self.faults: list[str] = []
        self.watch: Callable[[Understood], None] = lambda _: None
        """Is called with every request that was understood, before it is served."""
        self.address: Callable[[Account, Script], str] = _loopback
        """Returns a Worker's address."""
        self._manners: dict[str, list[Manner]] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        """The listening port."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}{_BASE}"

    @property
    def account(self) -> Account:
        """The first account."""
        return next(iter(self.accounts.values()))

    @property
    def lines(self) -> list[str]:
        """The requests so far."""
        return [call.line for call in self.calls]

    def treat(self, operation: str, *manners: Manner) -> None:
        """Treat the next requests of *operation* by *manners*, one each."""
        self._manners.setdefault(operation, []).extend(manners)

    def forget_manners(self) -> None:
        """Treat all requests normally again."""
        self._manners.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for account in self.accounts.values():
            account.close()
        if kind is None:
            assert self.faults == []
            assert not any(self._manners.values()), f"not asked for as often as expected: {self._manners}"

    def serve(self, request: Request) -> Reply | None:
        """Answer any request; None for no answer."""
        understood = understand(request)
        if understood is None:
            self.faults.append(f"unexpected request: {request.method} {request.path}")
            return _failure(ApiError(7003, f"No route for that URI: {request.method} {request.path}", 404))
        self.breaches |= understood.breaches
        if forbidden := understood.breaches - self.allowed:
            self.faults += map(str, forbidden)
            return _failure(ApiError(10001, f"malformed: {min(forbidden)}"))
        self.watch(understood)
        manners = self._manners.get(understood.operation.id, [])
        manner = manners.pop(0) if manners else None
        reply = manner(lambda: self._done(request, understood)) if manner else self._done(request, understood)
        self.calls.append(Call(understood.operation.id, request, understood.content, reply))
        return reply

    def _done(self, request: Request, understood: Understood) -> Reply:
        with self._lock:
            try:
                operations.authorize(self, request, understood)
                result = operations.PERFORM[understood.operation.id](self, understood)
            except ApiError as error:
                return _failure(error)
            except Exception as error:
                self.faults.append(f"{understood.operation.id}: {error!r}")
                raise
            envelope = {"success": True, "errors": [], "messages": [], "result": result}
            check_answer(understood.operation, envelope)
            return Reply(200, json.dumps(envelope).encode(), {"content-type": "application/json"})


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the stand-in."""

    protocol_version = "HTTP/1.1"

    def __init__(self, api: Cloudflare, *arguments: Any) -> None:
        self._api = api
        super().__init__(*arguments)

    def handle_any(self) -> None:
        path, _, query = self.path.removeprefix(_BASE).partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        if not self.path.startswith(_BASE):
            self._api.faults.append(f"{self.path} is not below {_BASE}")
        reply = self._api.serve(Request(self.command, path, query, headers, body))
        self.close_connection = reply is None
        if reply is not None:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not reply.pause_s:
            self.wfile.write(reply.body)
            return
        for byte in reply.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            threading.Event().wait(reply.pause_s)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  the names http.server calls

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client is gone

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002  http.server's signature
        return


def _loopback(_: Account, script: Script) -> str:
    return f"http://127.0.0.1:{script.site.port}"


def _failure(error: ApiError) -> Reply:
    return Reply(error.status, _envelope(error), {"content-type": "application/json"})


def _envelope(error: ApiError) -> bytes:
    errors = [{"code": error.code, "message": error.message}]
    return json.dumps({"success": False, "errors": errors, "messages": [], "result": None}).encode()


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
