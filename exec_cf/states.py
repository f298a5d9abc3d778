"""The states that a Worker reports for a session, and the `status` and `message` of a handle in each."""

from collections.abc import Mapping

import msgspec


class State(msgspec.Struct, frozen=True):
    """One row of the table: a handle's `status` and `message`, and whether the agent has left."""

    status: str
    message: str = ""
    gone: bool = False


STATES: Mapping[str, State] = {
    "starting": State("pending", "the agent is starting"),
    "ready": State("ready"),
    "busy": State("ready"),
    "stopped": State("failed", "the agent is gone", gone=True),
    "unknown": State("failed", "the agent is gone; spawn it again", gone=True),
}
"""`unknown` is a session in which no agent was ever started; the Worker answers with 404."""

LISTED = tuple(name for name in STATES if name != "unknown")
"""The states of the agents in a list."""


def state(name: str) -> State:
    """Return the row for *name*. A state that this version does not know counts as failed."""
    return STATES.get(name) or State("failed", f"the Worker reports the agent as {name}")
