"""A local server that speaks OpenRouter's streaming chat completions, at least as strictly.

A test scripts one reply per request; the server checks each request before it plays one. A wrong request is
answered with 400, as OpenRouter does, and kept for `OpenRouter.settle`.
"""

import json
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import Empty

import msgspec

from tests.support.nats import NatsServer
from tests.support.openrouter_request import Assistant, Body, ToolResult, User, problems_of
from tests.support.scripted import Scripted, ScriptedServer
from tests.support.serving import serving

PATH = "/api/v1/chat/completions"
KEY = "sk-or-v1-0123456789abcdef"
#: Part of every error text, so that a test can check that none of it is passed on.
PROVIDER_TEXT = "as-the-provider-put-it"


@dataclass
class Request:
    """One valid request, and the state of its connection."""

    body: Body
    headers: Mapping[str, str]
    dropped: threading.Event = field(default_factory=threading.Event)

    def texts(self, kind: type[User | Assistant | ToolResult]) -> list[str | None]:
        """Return the contents of the messages of one role, in order."""
        return [message.content for message in self.body.messages if isinstance(message, kind)]


Play = Callable[["Handler", Request], None]


class Handler(BaseHTTPRequestHandler):
    """Checks a request and plays the next scripted reply."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's signature
        """Log nothing."""

    def do_POST(self) -> None:
        """Check a request, then play its reply."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != PATH:
            self.wrong(f"path {self.path}", HTTPStatus.NOT_FOUND)
        elif self.headers.get("Content-Type") != "application/json":
            self.wrong(f"Content-Type {self.headers.get('Content-Type')}")
        elif self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self.error(HTTPStatus.UNAUTHORIZED)
        else:
            self.complete(raw)

    def complete(self, raw: bytes) -> None:
        """Check the body, then play the reply that the test scripted."""
        try:
            body = msgspec.json.decode(raw, type=Body)
            problems = "; ".join(problems_of(body))
            play = self.server.next_play()
        except msgspec.DecodeError as error:
            return self.wrong(str(error))
        except Empty:
            return self.wrong("a request that no test expects")
        if problems:
            return self.wrong(problems)
        request = Request(body, dict(self.headers.items()))
        self.server.arrived.put(request)
        with suppress(OSError):
            play(self, request)
        return None

    def wrong(self, problem: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        """Record what is wrong with a request, and refuse it."""
        self.server.problems.append(problem)
        self.error(status)

    def error(
        self, status: int, headers: Mapping[str, str] | None = None, error: Mapping[str, object] | None = None
    ) -> None:
        """Answer with OpenRouter's error body."""
        body = json.dumps(
            {"error": {"code": int(status), "message": f"{PROVIDER_TEXT} {KEY}"} if error is None else error}
        )
        self.plain(status, "application/json", body.encode(), headers or {})

    def plain(self, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with a body of known length."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self) -> None:
        """Open the event stream, with the comment that OpenRouter sends while it waits."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.write(": OPENROUTER PROCESSING\n\n")

    def write(self, text: str) -> None:
        """Send one chunk of the body."""
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, request: Request, delta: Mapping[str, object], finish: str | None = None) -> None:
        """Send one chunk of a completion."""
        choice = {
            "index": 0,
            "delta": {"role": "assistant", **delta},
            "finish_reason": finish,
            "logprobs": None,
        }
        self.write(f"data: {json.dumps({**self.head(request), 'choices': [choice]})}\n\n")

    def stop(self, request: Request, reason: str | None) -> None:
        """Send why the completion ended, what it used, and that it is done."""
        self.event(request, {"content": ""}, reason)
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        self.write(f"data: {json.dumps({**self.head(request), 'choices': [], 'usage': usage})}\n\n")
        self.write("data: [DONE]\n\n")
        self.write_end()

    def write_end(self) -> None:
        """End the chunked body."""
        self.wfile.write(b"0\r\n\r\n")

    def head(self, request: Request) -> dict[str, object]:
        """Return what each event contains."""
        return {
            "id": "gen-1",
            "provider": "Test",
            "model": request.body.model,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
        }

    def is_left(self, wait_s: float = 0) -> bool:
        """Tell whether the client has closed the connection."""
        readable, _, _ = select.select([self.connection], [], [], wait_s)
        return bool(readable) and not self.connection.recv(1)

    def wait_for_drop(self, request: Request) -> None:
        """Stay silent until the client closes the connection, or the server stops."""
        while not self.server.stopping.is_set():
            if self.is_left(0.05):
                request.dropped.set()
                break
        self.close_connection = True


class Server(ScriptedServer[Play, Request]):
    """Takes one key, and can stop while a reply hangs."""

    def __init__(self, key: str) -> None:
        super().__init__(Handler)
        self.key = key
        self.stopping = threading.Event()


OpenRouter = Scripted[Play, Request]


def variables(bus: NatsServer, provider: OpenRouter) -> dict[str, str]:
    """Return the vars and secrets of a Worker on *bus* whose agents ask *provider*."""
    return {"NATS_WS_URL": bus.ws_url, "OPENROUTER_BASE_URL": provider.base_url, "OPENROUTER_API_KEY": KEY}


@contextmanager
def openrouter(key: str = KEY) -> Iterator[OpenRouter]:
    """Run a server; the end of the block stops it even while a reply hangs."""
    with serving(Server(key)) as server:
        try:
            yield OpenRouter(server, server.url + PATH.removesuffix("/chat/completions"))
        finally:
            server.stopping.set()


# Replies.


def say(*pieces: str, finish: str | None = "stop") -> Play:
    """Send text, a chunk per piece, and the reason why it ends."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for piece in pieces:
            handler.event(request, {"content": piece})
        handler.stop(request, finish)

    return play


def say_when(released: threading.Event, first: str, second: str) -> Play:
    """Send text, and more text once the test allows it."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        handler.event(request, {"content": first})
        released.wait(10)
        handler.event(request, {"content": second})
        handler.stop(request, "stop")

    return play


def say_after(*pieces: tuple[float, str]) -> Play:
    """Send text, each piece after so many seconds of silence."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for seconds, piece in pieces:
            handler.server.stopping.wait(seconds)
            handler.event(request, {"content": piece})
        handler.stop(request, "stop")

    return play


def call(name: str, arguments: object, call_id: str = "call_1", text: str = "") -> Play:
    """Send one tool call, its arguments in two halves as models stream them, after a text."""
    return calls((name, arguments, call_id), text=text)


def calls(*wanted: tuple[str, object, str], text: str = "", finish: str | None = "tool_calls") -> Play:
    """Send several tool calls in one step."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        if text:
            handler.event(request, {"content": text})
        for index, (name, arguments, call_id) in enumerate(wanted):
            written = arguments if isinstance(arguments, str) else json.dumps(arguments)
            half = len(written) // 2
            function = {"name": name, "arguments": written[:half]}
            head = {"index": index, "id": call_id, "type": "function", "function": function}
            rest = {"index": index, "function": {"arguments": written[half:]}}
            handler.event(request, {"content": None, "tool_calls": [head]})
            handler.event(request, {"content": None, "tool_calls": [rest]})
        handler.stop(request, finish)

    return play


def hang(*pieces: str) -> Play:
    """Send text, and then nothing, ever."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for piece in pieces:
            handler.event(request, {"content": piece})
        handler.wait_for_drop(request)

    return play


def endless(first: str, again: str, status: int = HTTPStatus.OK) -> Play:
    """Send a body that goes on with the same text until the client closes the connection, or the server stops."""

    def play(handler: Handler, _: Request) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "text/event-stream" if status == HTTPStatus.OK else "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.close_connection = True
        handler.write(first)
        while not handler.server.stopping.is_set():
            handler.write(again)

    return play


def silence() -> Play:
    """Send nothing, not even a status line."""
    return lambda handler, request: handler.wait_for_drop(request)


def fail(status: int, retry_after: int | None = None, error: Mapping[str, object] | None = None) -> Play:
    """Answer with an error body, which is JSON whatever the status."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda handler, _: handler.error(status, headers, error)


def fail_in_stream(code: object, *pieces: str, **fields: object) -> Play:
    """Send text, and then an error event, by which OpenRouter reports what fails after the first token."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for piece in pieces:
            handler.event(request, {"content": piece})
        error = {"code": code, "message": f"{PROVIDER_TEXT} {KEY}", **fields}
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        handler.write(f"data: {json.dumps({**handler.head(request), 'error': error, 'choices': [choice]})}\n\n")
        handler.write_end()

    return play


def events(*chunks: Mapping[str, object], done: bool = True) -> Play:
    """Send these events; each gets what every event contains, unless it says otherwise."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for chunk in chunks:
            handler.write(f"data: {json.dumps({**handler.head(request), **chunk})}\n\n")
        if done:
            handler.write("data: [DONE]\n\n")
        handler.write_end()

    return play


def delta(finish: str | None = None, **fields: object) -> dict[str, object]:
    """Return an event with one choice."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def malformed(*pieces: str) -> Play:
    """Send text, and then an event that is not JSON."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for piece in pieces:
            handler.event(request, {"content": piece})
        handler.write(f'data: {{"{PROVIDER_TEXT}\n\n')
        handler.stop(request, "stop")

    return play


def not_an_api() -> Play:
    """Answer with a web page, as a mistyped address does."""
    page = f"<!doctype html><title>{PROVIDER_TEXT}</title>".encode()
    return lambda handler, _: handler.plain(HTTPStatus.OK, "text/html", page, {})


def break_off(*pieces: str) -> Play:
    """Send text, and end the stream without a finish reason."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for piece in pieces:
            handler.event(request, {"content": piece})
        handler.write_end()

    return play


def cut(*pieces: str) -> Play:
    """Send text, and close the connection in the middle of the body."""

    def play(handler: Handler, request: Request) -> None:
        handler.begin()
        for piece in pieces:
            handler.event(request, {"content": piece})
        handler.close_connection = True

    return play
