"""A caller on the bus that sees every message unchanged, and can send what a well-behaved client would refuse to."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

LIMIT_S = 15.0


@dataclass(frozen=True)
class Frame:
    """One message of a response stream."""

    data: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        body: dict[str, Any] = json.loads(self.data)
        return body

    @property
    def is_terminator(self) -> bool:
        """Whether this is the empty message without headers that ends a stream."""
        return self.data == b"" and not self.headers

    @property
    def error_code(self) -> str | None:
        """The service error code, when this is an error frame."""
        return self.headers.get("Nats-Service-Error-Code")


class Stream:
    """The messages on one reply subject."""

    def __init__(self, subject: str, subscription: Subscription) -> None:
        """Read from an existing subscription."""
        self.subject = subject
        self._subscription = subscription

    async def next(self, limit_s: float = LIMIT_S) -> Frame:
        """Return the next message. Raises TimeoutError."""
        message: Msg = await self._subscription.next_msg(limit_s)
        return Frame(message.data, dict(message.headers or {}))

    async def rest(self, limit_s: float = LIMIT_S) -> list[Frame]:
        """Return the messages up to and including the terminator."""
        frames: list[Frame] = []
        while not frames or not frames[-1].is_terminator:
            frames.append(await self.next(limit_s))
        return frames

    async def close(self) -> None:
        """Read no more."""
        await self._subscription.unsubscribe()

    async def silent(self, for_s: float = 0.3) -> bool:
        """Return whether nothing more arrives."""
        try:
            await self.next(for_s)
        except TimeoutError:
            return True
        return False


class Caller:
    """A connection to the bus."""

    def __init__(self, connection: Client) -> None:
        """Use an open connection."""
        self.nats = connection

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, **options: Any) -> AsyncIterator[Self]:
        """Connect to the bus within a `with` block."""
        connection = await nats.connect(url, **options)
        try:
            yield cls(connection)
        finally:
            await connection.close()

    async def send(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> Stream:
        """Send a request and return the stream that answers it."""
        stream = await self.listen()
        await self.nats.publish(subject, payload, reply=stream.subject, headers=headers)
        return stream

    async def listen(self) -> Stream:
        """Return a stream on a fresh inbox."""
        inbox = self.nats.new_inbox()
        subscription = await self.nats.subscribe(inbox)
        await self.nats.flush()
        return Stream(inbox, subscription)

    async def prompt(self, subject: str, payload: bytes | str) -> list[Frame]:
        """Send a request and return its whole stream, including the terminator."""
        data = payload.encode() if isinstance(payload, str) else payload
        return await (await self.send(subject, data)).rest()

    async def prompt_or_refusal(self, subject: str, payload: bytes) -> list[Frame]:
        """Send a request and return its whole stream; nothing if nobody listens, or no answer comes in time."""
        stream = await self.send(subject, payload)
        frames: list[Frame] = []
        try:
            while not frames or not frames[-1].is_terminator:
                frames.append(await stream.next(5))
                if frames[-1].headers.get("Status") == "503":
                    return []
        except TimeoutError:
            return []
        return frames

    async def request_json(self, subject: str, payload: bytes = b"") -> dict[str, Any]:
        """Send a request with one answer and return that JSON object."""
        return self.json(await self.nats.request(subject, payload, timeout=LIMIT_S))

    @staticmethod
    def json(message: Msg) -> dict[str, Any]:
        """Return the JSON object in a message."""
        body: dict[str, Any] = json.loads(message.data)
        return body

    async def services(self) -> list[dict[str, Any]]:
        """Return the responses to `$SRV.INFO.agents`, once no more arrive."""
        stream = await self.listen()
        await self.nats.publish("$SRV.INFO.agents", b"", reply=stream.subject)
        found: list[dict[str, Any]] = []
        while True:
            try:
                frame = await stream.next(0.5 if found else 2)
            except TimeoutError:
                return found
            # Without a responder the server answers with a status header.
            if not frame.data:
                return found
            found.append(frame.json)


def text_of(frames: list[Frame]) -> str:
    """Return the response text of a stream."""
    chunks = [frame.json for frame in frames if frame.data and not frame.headers]
    return "".join(chunk["data"] for chunk in chunks if chunk["type"] == "response")
