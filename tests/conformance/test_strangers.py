"""What answers at the bus's address is no bus: a start says so, and the Worker survives it."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.manners import OK, Call, Manner, Server
from tests.support.workerd import Workerd

INFO = b'INFO {"server_id":"x","headers":true,"max_payload":1048576}\r\n'
NOISE = bytes(range(256)) * 12
LARGE = b"x" * 65_536


def accepting(behave: Callable[[Callable[[bytes], None]], None]) -> Manner:
    """Return a server that accepts a WebSocket, and then does as it likes with a function that sends a message."""

    def manner(call: Call) -> None:
        key = call.head.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        call.peer.sendall(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        behave(lambda data: call.peer.sendall(b"\x82\x7f" + len(data).to_bytes(8, "big") + data))

    return manner


def saying(first: bytes, again: bytes = b"") -> Manner:
    """Return a server that sends a message, and then another one again and again; or closes, without another one."""

    def behave(send: Callable[[bytes], None]) -> None:
        send(first)
        while again:
            send(again)

    return accepting(behave)


@pytest.mark.parametrize(
    "manner",
    [
        lambda call: call.peer.sendall(OK),
        accepting(lambda _: None),
        saying(NOISE),
        saying(b"INFO {not JSON}\r\n"),
        saying(b"INFO {", LARGE),
    ],
    ids=["a page", "nothing", "noise", "no JSON", "an endless line"],
)
def test_what_is_no_bus_is_a_cause(tmp_path: Path, manner: Manner) -> None:
    """At once, and with what to check."""
    assert "WebSocket port" in refusal(tmp_path, manner)


@pytest.mark.parametrize(
    "manner",
    [saying(INFO + b"PONG", LARGE), saying(INFO, b"PING\r\n" * 10_000)],
    ids=["an endless line", "endless pings"],
)
def test_a_greeting_without_end_is_a_cause(tmp_path: Path, manner: Manner) -> None:
    """It begins as that of a bus does."""
    assert "during the handshake" in refusal(tmp_path, manner)


def test_a_bus_that_never_ends_a_line_is_a_cause(tmp_path: Path) -> None:
    """Even after it has accepted the agent."""
    assert "the bus" in refusal(tmp_path, saying(INFO + b"PONG\r\nPONG", LARGE))


def refusal(home: Path, manner: Manner) -> str:
    """Start an agent on such a bus, with the heap of an isolate; return the message."""
    with Server(manner) as server:
        variables = {"NATS_WS_URL": server.url.replace("http", "ws")}
        with Workerd(home / "worker", variables, heap_mb=128) as worker, worker.client() as http:
            response = http.post("/agent/a")
            assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
            assert http.get("/agent/a").status_code == 404
            assert httpx.get(f"{worker.url}/health", trust_env=False).status_code == 200
    message: str = response.json()["message"]
    return message
