"""The one exchange that is under way, as everything that waits for a peer sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Attempt:
    """How long the exchange may still take, whom it tried, and what may not happen to it. One is used after another.

    All waiting ends by the monotonic clock, so that setting the clock of the machine changes nothing.
    """

    def __init__(self) -> None:
        self.timeout_ms = 0
        self.has_secrets = False
        """Whether the request carries what only its receiver may read."""
        self.confidential = False
        """Whether they must not cross a network, since the connection is in the clear."""
        self.peer = ""
        """The address that is talked to, or those that are tried."""
        self.connected = False
        """Whether the request opened a connection; otherwise it uses one that was kept."""
        self.received = False
        """Whether a byte has come since the request began."""
        self.finished = True
        """Whether nothing more is owed to either side."""
        self._deadline = 0.0

    def begin(self, timeout_ms: int, *, has_secrets: bool) -> None:
        """Begin another one."""
        self.timeout_ms = timeout_ms
        self.has_secrets = has_secrets
        self.peer = ""
        self.finished = False
        self._deadline = time.monotonic() + timeout_ms / 1000

    def begin_request(self) -> None:
        """Begin the next request of the exchange, within the same limit."""
        self.connected = self.received = False

    def remaining(self) -> float:
        """Return the seconds that are left. Raises `TimeoutError` when there are none."""
        return self.limit()()

    def limit(self) -> Callable[[], float]:
        """Return `remaining` of this exchange alone, for what may outlast it."""
        deadline = self._deadline

        def remaining() -> float:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            return left

        return remaining

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Leave at most *seconds* to what is done within the block."""
        deadline = self._deadline
        self._deadline = min(deadline, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._deadline = deadline
