"""A local server that speaks the AI Gateway's language model protocol, as the AI SDK's provider does.

It needs no script: the model's name says what it does. A request that the protocol does not allow is
answered with 400 and kept in `Gateway.problems`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import msgspec

from tests.support.serving import serving

PATH = "/v4/ai/language-model"
KEY = "vck_0123456789abcdef"
#: Says the last prompt back.
ECHO = "test/echo"
#: Is over its rate limit for five seconds.
LIMITED = "test/limited"
#: Stands in every error text, so that a test can show that none of it travels on.
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


class Text(Strict):
    """A part of a message."""

    type: Literal["text"]
    text: str


class System(Strict, tag_field="role", tag="system"):
    """Instructions."""

    content: str


class User(Strict, tag_field="role", tag="user"):
    """A prompt."""

    content: list[Text]


class Assistant(Strict, tag_field="role", tag="assistant"):
    """An earlier answer."""

    content: list[Text]


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
    """What a call holds, as far as this project uses it."""

    prompt: list[System | User | Assistant]
    tools: list[Tool]
    tool_choice: ToolChoice
    include_raw_chunks: Literal[False]


class Handler(BaseHTTPRequestHandler):
    """Checks one call and does what its model's name says."""

    server: "Gateway"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""

    def do_POST(self) -> None:
        """Check a call and answer it."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        problems = [name for name, value in HEADERS.items() if self.headers.get(name) != value]
        model = self.headers.get("ai-language-model-id")
        if self.path != PATH or problems:
            self.wrong(f"{self.path}: {problems}")
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self.error(401, "authentication_error")
        elif model == LIMITED:
            self.error(429, "rate_limit_exceeded")
        elif model == ECHO:
            self.echo(raw)
        else:
            self.error(404, "model_not_found")

    def echo(self, raw: bytes) -> None:
        """Say the last prompt back, a part per word, after a warning that a log must not repeat."""
        try:
            body = msgspec.json.decode(raw, type=Body)
        except msgspec.ValidationError as error:
            return self.wrong(str(error))
        words = body.prompt[-1].content[0].text.split(" ") if isinstance(body.prompt[-1], User) else []
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        tokens = {"inputTokens": {"total": 7}, "outputTokens": {"total": 5}}
        for part in (
            {"type": "stream-start", "warnings": [{"type": "other", "message": GATEWAY_TEXT}]},
            {"type": "text-start", "id": "0"},
            *({"type": "text-delta", "id": "0", "delta": word} for word in words),
            {"type": "text-end", "id": "0"},
            {"type": "finish", "finishReason": {"unified": "stop", "raw": "stop"}, "usage": tokens},
        ):
            self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        return None

    def wrong(self, problem: str) -> None:
        """Note a call that the gateway would not take."""
        self.server.problems.append(problem)
        self.error(400, "invalid_request_error")

    def error(self, status: int, kind: str) -> None:
        """Answer with the gateway's error body."""
        body = json.dumps({"error": {"message": f"{GATEWAY_TEXT} {KEY}", "type": kind}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "5")
        self.end_headers()
        self.wfile.write(body)


class Gateway(ThreadingHTTPServer):
    """The listening socket, and what went wrong on it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.problems: list[str] = []

    @property
    def base_url(self) -> str:
        """The value of AI_GATEWAY_BASE_URL."""
        return f"http://127.0.0.1:{self.server_address[1]}{PATH.removesuffix('/language-model')}"


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Run a gateway."""
    with serving(Gateway()) as server:
        yield server
