"""A disk without room: what cannot be written is told, and nothing that was written is lost."""

import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conformance.test_faults import revived
from tests.conformance.test_turns import noted
from tests.support import openrouter as fake
from tests.support.caller import Caller, Frame, text_of
from tests.support.nats import NatsServer
from tests.support.openrouter import openrouter, variables
from tests.support.workerd import Workerd

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_full_disk_fails_starts_and_loses_no_agent(bus: NatsServer, tmp_path: Path) -> None:
    """A start says so; the platform drops what it cannot write, and all is back by itself when there is room."""
    released = threading.Event()
    with (
        openrouter() as provider,
        Workerd(tmp_path / "worker", variables(bus, provider), disk_mb=4) as worker,
        worker.client() as http,
    ):
        subject = http.post("/agent/busy", json={"agent": "pi"}).json()["subjects"]["prompt"]
        echo = http.post("/agent/idle").json()["subjects"]["prompt"]
        provider.will(fake.say_when(released, "first ", "last"))
        async with Caller.connected(bus.url) as caller:
            stream = await caller.send(subject, b"go")
            assert (await stream.next()).json["data"] == "ack"
            assert text_of([await stream.next()]) == "first "
            assert http.get("/agent/new").status_code == 404
            await noted()
            worker.fill_disk()
            response = http.post("/agent/new")
            assert (response.status_code, response.json()["error"]) == (500, "internal")
            assert "storage" in response.json()["message"]
            assert "storage of the Worker's Durable Objects is full" in worker.log
            # Its stream is written down, or the object is dropped.
            await caller.send(subject, b"one too many")
            await until_dropped(caller, subject)
            worker.free_disk()
            released.set()
            assert is_told(await stream.rest(60))
            await revived(caller, echo)
            assert http.post("/agent/new").status_code == 201


async def until_dropped(caller: Caller, subject: str) -> None:
    """Wait until nobody listens."""
    status = None
    while status != "503":
        with suppress(TimeoutError):
            status = (await (await caller.send(subject, b"")).next(1)).headers.get("Status")


def is_told(frames: list[Frame]) -> bool:
    """Return whether a stream ended whole, or with an error."""
    return text_of(frames) == "last" or (len(frames) > 1 and frames[-2].error_code is not None)
