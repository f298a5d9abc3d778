"""A Worker that gives the answers which a real one cannot be made to give, and checks strictly what it is sent."""

import json
import re
import ssl
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

AGENTS = {"claude-code", "codex", "pi", "gemini", "echo"}
BODY_FIELDS: dict[str, type] = {
    "name": str,
    "agent": str,
    "owner": str,
    "labels": dict,
    "env": dict,
    "description": str,
}


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Reply(NamedTuple):
    """An answer to a start or an abort; a body that is no bytes goes out as JSON."""

    status: int
    body: Any = b""
    headers: dict[str, str] = {}  # noqa: RUF012  never changed


Starter = Callable[[Asked], Reply]


def started(status: int = 201, abort: str | None = None, **other_subjects: str) -> Starter:
    """Start the requested agent, as a Worker does; *other_subjects* replace the right ones in the response."""

    def starter(asked: Asked) -> Reply:
        segment = asked.path.rpartition("/agent/")[2]
        who = f"open-agent.{asked.json['owner']}.{unquote(segment)}"
        subjects = {
            "prompt": f"agents.prompt.{who}",
            "status": f"agents.status.{who}",
            "hb": f"agents.hb.{who}",
            "signal": f"orch.signal.>.{who}",
        }
        path = f"/control/abort/{segment}" if abort is None else abort
        known = {"state": "ready", "owner": asked.json["owner"], "session": unquote(segment), "instance_id": "i1"}
        return Reply(status, {**known, "agent": "echo", "subjects": {**subjects, **other_subjects}, "abort": path})

    return starter


def error(status: int, code: str, message: str) -> Starter:
    """Refuse, as a Worker does."""
    return lambda _: Reply(status, {"error": code, "message": message})


def reply(status: int, body: Any = b"", **headers: str) -> Starter:
    """Answer without a look at the request."""
    return lambda _: Reply(status, body, headers)


class WorkerStub:
    """A healthy Worker whose starts are given in advance: the first start gets the first of *starters*, and so on."""

    def __init__(
        self,
        *starters: Starter,
        token: str = "",
        base: str = "",
        tls: ssl.SSLContext | None = None,
        create: Callable[[Callable[[], ThreadingHTTPServer]], ThreadingHTTPServer] = lambda make: make(),
    ) -> None:
        self.starters = list(starters)
        self._token = token
        self._base = base
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self._server = create(lambda: ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self)))
        self.port: int = self._server.server_address[1]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}{base}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if kind is None:
            assert self.faults == []
            assert self.starters == [], "fewer starts came than were expected"

    @property
    def lines(self) -> list[str]:
        """Method and path of every request."""
        return [asked.line for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        """Answer any request."""
        self.asked.append(asked)
        path = asked.path.removeprefix(self._base)
        if asked.line == f"GET {self._base}/health":
            return Reply(200, {"ok": True, "agent": "open-agent"})
        if asked.method == "POST" and path.startswith("/control/abort"):
            return Reply(200, {"stopped": []})
        if asked.method != "POST" or not re.fullmatch(r"/agent/[A-Za-z0-9._~%-]+", path):
            self.faults.append(f"unexpected request: {asked.line}")
            return Reply(404)
        self.faults += _faults_of_start(asked, self._token)
        return self.starters.pop(0)(asked) if self.starters else Reply(500, b"one start too many")


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the stub."""

    protocol_version = "HTTP/1.1"

    def __init__(self, stub: WorkerStub, *arguments: Any) -> None:
        self._stub = stub
        super().__init__(*arguments)

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self._stub.answer(Asked(self.command, self.path, headers, body))
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = handle_any  # noqa: N815  the names that http.server calls

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002  http.server's signature
        return


def _faults_of_start(asked: Asked, token: str) -> list[str]:
    """Return what a real Worker would refuse."""
    faults = []
    if asked.headers.get("content-type") != "application/json":
        faults.append(f"content-type {asked.headers.get('content-type')}")
    if asked.headers.get("authorization", "") != (f"Bearer {token}" if token else ""):
        faults.append(f"authorization {asked.headers.get('authorization')}")
    body = asked.json
    faults += [f"field {key}" for key, value in body.items() if not isinstance(value, BODY_FIELDS.get(key, ()))]
    if body.get("agent") not in AGENTS:
        faults.append(f"agent {body.get('agent')}")
    for key in ("labels", "env"):
        faults += [f"{key}.{name}" for name, value in body.get(key, {}).items() if not isinstance(value, str)]
    faults += [f"env.{name}" for name in body.get("env", {}) if not name.startswith("OPEN_AGENT_")]
    return faults
