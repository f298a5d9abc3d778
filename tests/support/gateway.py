"""A local server that speaks the AI Gateway's language model protocol, as the AI SDK's provider does.

A test scripts one reply per call. A call that the protocol does not allow, or that some model behind the
gateway would refuse, is answered with 400 and kept for `Gateway.settle`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from queue import Empty
from typing import Any, Literal

import msgspec

from tests.support.scripted import Scripted, ScriptedServer
from tests.support.serving import serving

PATH = "/v4/ai/language-model"
KEY = "vck_0123456789abcdef"
#: Part of every error text and warning, so that a test can check that none of it is passed on.
GATEWAY_TEXT = "as-the-gateway-put-it"

HEADERS = {
    "Content-Type": "application/json",
    "ai-gateway-auth-method": "api-key",
    "ai-gateway-protocol-version": "0.0.1",
    "ai-language-model-specification-version": "4",
    "ai-language-model-streaming": "true",
}


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A JSON object without fields of other names."""


class Text(Strict, tag_field="type", tag="text"):
    """A part of a message."""

    text: str


class ToolCall(Strict, tag_field="type", tag="tool-call"):
    """A call that the model made."""

    tool_call_id: str
    tool_name: str
    input: Any


class Output(Strict):
    """What a tool returned, or why it could not."""

    type: Literal["text", "error-text"]
    value: str


class ToolResult(Strict, tag_field="type", tag="tool-result"):
    """The result of a call."""

    tool_call_id: str
    tool_name: str
    output: Output


class System(Strict, tag_field="role", tag="system"):
    """Instructions."""

    content: str


class User(Strict, tag_field="role", tag="user"):
    """A prompt."""

    content: list[Text]


class Assistant(Strict, tag_field="role", tag="assistant"):
    """An earlier answer, or calls of tools."""

    content: list[Text | ToolCall]


class ToolMessage(Strict, tag_field="role", tag="tool"):
    """Results of calls."""

    content: list[ToolResult]


class Tool(Strict):
    """An offered tool."""

    type: Literal["function"]
    name: str
    description: str
    input_schema: dict[str, Any]


class ToolChoice(Strict):
    """Whether tools may be used."""

    type: Literal["auto", "none"]


class Body(Strict):
    """The body of a call, as far as this project uses it."""

    prompt: list[System | User | Assistant | ToolMessage]
    tools: list[Tool]
    tool_choice: ToolChoice
    include_raw_chunks: Literal[False]

    def texts(self, kind: type[User | Assistant]) -> list[str]:
        """Return the texts of the messages of one role, in order."""
        messages = [message for message in self.prompt if isinstance(message, kind)]
        return [part.text for message in messages for part in message.content if isinstance(part, Text)]


Play = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Checks one call and plays the next scripted reply."""

    server: "Server"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's signature
        """Log nothing."""

    def do_POST(self) -> None:
        """Check a call and answer it."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wrong = [name for name, value in HEADERS.items() if self.headers.get(name) != value]
        if self.path != PATH or wrong or not self.headers.get("ai-language-model-id"):
            self.wrong(f"{self.path}: {wrong}")
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self.error(401, {"type": "authentication_error"})
        else:
            self.play(raw)

    def play(self, raw: bytes) -> None:
        """Check the body, then play the reply that the test scripted."""
        try:
            body = msgspec.json.decode(raw, type=Body)
            play = self.server.script.get_nowait()
        except msgspec.ValidationError as error:
            return self.wrong(str(error))
        except Empty:
            return self.wrong("a call that no test expects")
        if any(not text.strip() for text in body.texts(User) + body.texts(Assistant)):
            return self.wrong("a blank message")
        self.server.arrived.put(body)
        play(self)
        return None

    def stream(self, *parts: object, done: bool = True) -> None:
        """Answer with an event stream."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for part in parts:
            self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
        if done:
            self.wfile.write(b"data: [DONE]\n\n")

    def wrong(self, problem: str) -> None:
        """Record what is wrong with a call, and refuse it."""
        self.server.problems.append(problem)
        self.error(400, {"type": "invalid_request_error"})

    def error(self, status: int, error: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        """Answer with the gateway's error body."""
        body = json.dumps({"error": {"message": f"{GATEWAY_TEXT} {KEY}", **error}}).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


Server = ScriptedServer[Play, Body]
Gateway = Scripted[Play, Body]


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Run a gateway."""
    with serving(Server(Handler)) as server:
        yield Gateway(server, server.url + PATH.removesuffix("/language-model"))


# Replies.

USAGE = {"inputTokens": {"total": 7}, "outputTokens": {"total": 5}}
#: Every part that may come before, between and after those of the text, without a meaning for the caller.
WARNING = {"type": "stream-start", "warnings": [{"type": "other", "message": GATEWAY_TEXT}]}
METADATA = {"type": "response-metadata", "id": "1", "modelId": "m", "timestamp": "2026-11-26T12:00:00.000Z"}
PING = {"type": "ping"}
RAW = {"type": "raw", "rawValue": {"any": "thing"}}
REASONING: tuple[object, ...] = (
    {"type": "reasoning-start", "id": "r"},
    {"type": "reasoning-delta", "id": "r", "delta": GATEWAY_TEXT},
    {"type": "reasoning-end", "id": "r"},
)
SOURCE = {"type": "source", "sourceType": "url", "id": "s", "url": "https://example.com/", "title": GATEWAY_TEXT}


def text(*pieces: str, block: str = "0") -> tuple[object, ...]:
    """Return the parts of a block of text."""
    deltas = ({"type": "text-delta", "id": block, "delta": piece} for piece in pieces)
    return ({"type": "text-start", "id": block}, *deltas, {"type": "text-end", "id": block})


def finish(reason: object) -> dict[str, object]:
    """Return the part that ends a call, with any `finishReason`."""
    return {"type": "finish", "finishReason": reason, "usage": USAGE}


def ended(unified: str, raw: str | None = None) -> dict[str, object]:
    """Return the part that ends a call; its raw word is optional."""
    return finish({"unified": unified} if raw is None else {"unified": unified, "raw": raw})


def parts(*sent: object, done: bool = True) -> Play:
    """Send a stream of these parts."""
    return lambda handler: handler.stream(WARNING, *sent, done=done)


def say(*pieces: str) -> Play:
    """Send a complete answer, a part per piece."""
    return parts(*text(*pieces), ended("stop", "stop"))


def call(name: str, arguments: object, *before: object) -> Play:
    """Send a tool call, its input in two halves, behind other parts."""
    written = json.dumps(arguments)
    half = len(written) // 2
    deltas = ({"type": "tool-input-delta", "id": "c1", "delta": part} for part in (written[:half], written[half:]))
    return parts(
        *before,
        {"type": "tool-input-start", "id": "c1", "toolName": name},
        *deltas,
        {"type": "tool-input-end", "id": "c1"},
        {"type": "tool-call", "toolCallId": "c1", "toolName": name, "input": written},
        ended("tool-calls"),
    )


def fail(status: int, kind: str | None = None, retry_after: int | None = None) -> Play:
    """Answer with an error body, which is JSON whatever the status."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda handler: handler.error(status, {} if kind is None else {"type": kind}, headers)


def cut(*sent: object) -> Play:
    """Send parts, and then close the connection in the middle of one."""

    def play(handler: Handler) -> None:
        handler.stream(WARNING, *sent, done=False)
        handler.wfile.write(b'data: {"type": "text-del')

    return play
