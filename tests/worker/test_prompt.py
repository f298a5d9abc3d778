"""A prompt and its answer, end to end."""

import httpx
import pytest

from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer


@pytest.mark.anyio
async def test_echo_answers_and_is_gone_after_abort(
    bus: NatsServer, http: httpx.Client, session: str
) -> None:
    """A started agent answers, and an aborted one has left the bus."""
    started = http.post(f"/agent/{session}", json={"agent": "echo"})
    assert started.status_code == 201
    answer = started.json()
    async with Caller.connected(bus.url) as caller:
        frames = await caller.prompt(answer["subjects"]["prompt"], "hello")
        assert frames[0].json == {"type": "status", "data": "ack"}
        assert text_of(frames) == "hello"
        assert http.post(answer["abort"]).json() == {"stopped": [session]}
        assert [s for s in await caller.services() if s["metadata"]["session"] == session] == []
