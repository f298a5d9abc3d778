"""The state of the current exchange, shared by everything that waits for a peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Attempt:
    """The deadline of the current exchange, its peer, and whether it has secrets. It is reused for the next exchange.

    Deadlines use the monotonic clock, so that they do not depend on changes of the system's clock.
    """

    def __init__(self) -> None:
        self.timeout_ms = 0
        self.has_secrets = False
        """Whether the request has headers that only the receiver may read."""
        self.loopback_only = False
        """Whether the request has secrets but the connection is unencrypted, so that they may only go to loopback."""
        self.peer = ""
        """The address of the peer, or the addresses that were tried."""
        self.connected = False
        """Whether the request opened a connection, rather than reusing one."""
        self.received = False
        """Whether any byte was received since the request began."""
        self.ended = False
        """Whether the peer has closed the connection since the request began."""
        self.finished = True
        """Whether the exchange is complete."""
        self._deadline = 0.0

    def begin(self, timeout_ms: int, *, has_secrets: bool) -> None:
        """Begin an exchange that must end within *timeout_ms*."""
        self.timeout_ms = timeout_ms
        self.has_secrets = has_secrets
        self.peer = ""
        self.finished = False
        self._deadline = time.monotonic() + timeout_ms / 1000

    def begin_request(self) -> None:
        """Begin the next request of the exchange, with the same deadline."""
        self.connected = self.received = self.ended = False

    def remaining(self) -> float:
        """Return the seconds until the deadline. Raises `TimeoutError` if it has passed."""
        return self.limit()()

    def limit(self) -> Callable[[], float]:
        """Return a function like `remaining` that keeps to the deadline of this exchange even after its end."""
        deadline = self._deadline

        def remaining() -> float:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            return left

        return remaining

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Limit the block to *seconds*."""
        deadline = self._deadline
        self._deadline = min(deadline, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._deadline = deadline
