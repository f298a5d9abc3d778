"""Requests and response streams (§5, §6, §9)."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.caller import Caller, Frame, text_of
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd


@pytest.fixture
def subject(http: httpx.Client, session: str) -> str:
    """Return the prompt subject of an echo agent."""
    subject: str = http.post(f"/agent/{session}").json()["subjects"]["prompt"]
    return subject


@pytest.fixture
async def caller(bus: NatsServer) -> AsyncIterator[Caller]:
    """Return a connection to the bus."""
    async with Caller.connected(bus.url) as connected:
        yield connected


@pytest.mark.anyio
async def test_a_stream_is_ack_chunks_terminator(caller: Caller, subject: str) -> None:
    """One ack first, typed chunks, then an empty message without headers, and nothing after it."""
    stream = await caller.send(subject, b"hello")
    frames = await stream.rest()
    assert [frame.json for frame in frames[:-1]] == [
        {"type": "status", "data": "ack"},
        {"type": "response", "data": "hello"},
    ]
    assert frames[-1] == Frame(b"", {})
    assert await stream.silent()


ECHOED = {
    "text": (b"hello", "hello"),
    "envelope": (b'{"prompt": "hello"}', "hello"),
    "envelope after white space": (b' \t\r\n{"prompt": "hello"}', "hello"),
    "text keeps its white space": (b"\n hello \r\n", "\n hello \r\n"),
    "white space": (b"  ", "  "),
    "text with a brace inside": (b'say {"prompt": 1}', 'say {"prompt": 1}'),
    "JSON that is not an object": (b'["prompt"]', '["prompt"]'),
    "a JSON string": (b'"hello"', '"hello"'),
    "unknown fields": (b'{"prompt": "hello", "model": {"x": [1]}, "n": null}', "hello"),
    "null attachments": (b'{"prompt": "hello", "attachments": null}', "hello"),
    "no attachments": (b'{"prompt": "hello", "attachments": []}', "hello"),
    "unicode": ("grüße 👋🏽 \u2028 \x00 \ufeff".encode(), "grüße 👋🏽 \u2028 \x00 \ufeff"),
    "a byte order mark": (b"\xef\xbb\xbfhello", "\ufeffhello"),
    "a byte order mark before a brace": (b'\xef\xbb\xbf{"a"', '\ufeff{"a"'),
    "a lone surrogate": (b'{"prompt": "\\ud83d"}', "\ud83d"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", ECHOED)
async def test_text_and_envelopes_are_echoed_to_the_byte(caller: Caller, subject: str, case: str) -> None:
    """Both forms of a request are taken, and the prompt comes back exactly."""
    payload, text = ECHOED[case]
    frames = await caller.prompt(subject, payload)
    assert text_of(frames) == text
    assert frames[0].json == {"type": "status", "data": "ack"}


REFUSED = {
    "nothing": b"",
    "broken JSON": b'{"prompt": "hello"',
    "JSON with a tail": b'{"prompt": "hello"} x',
    "an empty object": b"{}",
    "a prompt that is not a string": b'{"prompt": 1}',
    "an empty prompt": b'{"prompt": ""}',
    "attachments": b'{"prompt": "a", "attachments": [{"filename": "a", "content": "YQ=="}]}',
    "attachments that are not base64": b'{"prompt": "a", "attachments": [{"filename": "a", "content": "?"}]}',
    "attachments that are not an array": b'{"prompt": "a", "attachments": {}}',
    "text that is not UTF-8": b"\xff\xfe",
    "JSON that is not UTF-8": b'{"prompt": "\xff"}',
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", REFUSED)
async def test_a_malformed_request_is_refused(caller: Caller, subject: str, case: str) -> None:
    """Code 400 with a reason in header and body, then the terminator; no ack, for nothing was accepted."""
    stream = await caller.send(subject, REFUSED[case])
    frames = await stream.rest()
    assert len(frames) == 2
    assert frames[0].error_code == "400"
    assert frames[0].json == {
        "error": "bad_request",
        "message": frames[0].headers["Nats-Service-Error"],
    }
    assert await stream.silent()
    assert text_of(await caller.prompt(subject, "still there")) == "still there"


def mutations(count: int) -> list[bytes]:
    """Return requests that are a little wrong, the same in each run."""
    chance = random.Random(20261122)
    envelope = '{"prompt": "grüße", "attachments": [], "x": {"y": [1, null, "z"]}}'.encode()
    made = []
    for _ in range(count):
        data = bytearray(envelope)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 2))
        made.append(bytes(data))
    return made


@pytest.mark.anyio
async def test_any_request_is_answered_or_refused(caller: Caller, subject: str) -> None:
    """Whatever comes, the stream ends, with an answer or with code 400 and nothing else."""
    for payload in mutations(300):
        frames = await caller.prompt(subject, payload)
        codes = [frame.error_code for frame in frames[:-1]]
        assert codes in ([None, None], ["400"]), payload


@pytest.mark.anyio
async def test_chunks_stay_below_the_limit_of_the_bus(caller: Caller, subject: str) -> None:
    """An answer whose encoding is larger than its request is cut, never through a character."""
    prompt = '\x01"é👋' * 80_000
    frames = await caller.prompt(subject, prompt)
    assert text_of(frames) == prompt
    assert max(len(frame.data) for frame in frames) <= caller.nats.max_payload


@pytest.mark.anyio
async def test_prompts_sent_together_are_answered_in_order(caller: Caller, subject: str) -> None:
    """Each has a stream of its own, complete."""
    streams = [await caller.send(subject, f"prompt {n}".encode()) for n in range(10)]
    texts = [text_of(await stream.rest()) for stream in streams]
    assert texts == [f"prompt {n}" for n in range(10)]


@pytest.mark.anyio
async def test_a_request_without_a_reply_subject_is_ignored(caller: Caller, subject: str) -> None:
    """There is nowhere to answer; the agent stays up."""
    await caller.nats.publish(subject, b"hello")
    assert text_of(await caller.prompt(subject, "hello")) == "hello"


@pytest.fixture(scope="module")
def wide_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a bus that carries more than an agent takes."""
    with NatsServer(tmp_path_factory.mktemp("wide"), {"max_payload": 4 * 1024 * 1024}) as server:
        yield server


@pytest.mark.anyio
async def test_an_oversize_request_is_refused(wide_bus: NatsServer, tmp_path: Path) -> None:
    """The limit that the endpoint announces holds, also where the bus would carry more."""
    with Workerd(tmp_path, {"NATS_WS_URL": wide_bus.ws_url}) as server, server.client() as client:
        started = client.post("/agent/a").json()
        async with Caller.connected(wide_bus.url) as caller:
            info = await caller.request_json(f"$SRV.INFO.agents.{started['instance_id']}")
            assert endpoint(info, "prompt")["metadata"]["max_payload"] == "1MB"
            largest = "x" * 1024 * 1024
            subject = started["subjects"]["prompt"]
            assert text_of(await caller.prompt(subject, largest)) == largest
            [error, end] = await caller.prompt(subject, largest + "x")
            assert (error.error_code, end.is_terminator) == ("400", True)


@pytest.mark.anyio
async def test_a_narrow_bus_is_announced(tmp_path: Path) -> None:
    """Where the bus carries less, the endpoint says so, and chunks fit."""
    with (
        NatsServer(tmp_path / "nats", {"max_payload": 4000}) as bus,
        Workerd(tmp_path / "worker", {"NATS_WS_URL": bus.ws_url}) as server,
        server.client() as client,
    ):
        started = client.post("/agent/a").json()
        async with Caller.connected(bus.url) as caller:
            info = await caller.request_json(f"$SRV.INFO.agents.{started['instance_id']}")
            assert endpoint(info, "prompt")["metadata"]["max_payload"] == "4000B"
            prompt = json.dumps({"prompt": "é" * 1500}, ensure_ascii=False)
            assert text_of(await caller.prompt(started["subjects"]["prompt"], prompt)) == "é" * 1500
        too_long = client.post("/agent/b", json={"labels": {"a": "x" * 4000}})
        assert (too_long.status_code, too_long.json()["error"]) == (413, "too_large")


def endpoint(info: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one endpoint of a service info."""
    [found] = [endpoint for endpoint in info["endpoints"] if endpoint["name"] == name]
    assert isinstance(found, dict)
    return found
