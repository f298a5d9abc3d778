"""The table of an agent's states."""

import pytest

from exec_cf.handles import STATUSES
from exec_cf.states import STATES, State, state


def test_every_row_is_a_status_of_a_handle() -> None:
    assert {row.status for row in STATES.values()} == set(STATUSES)


def test_every_row_but_ready_has_a_message() -> None:
    assert all(bool(row.message) == (row.status != "ready") for row in STATES.values())


@pytest.mark.parametrize("name", ["stopped", "unknown"])
def test_an_agent_that_has_left(name: str) -> None:
    assert state(name).gone


@pytest.mark.parametrize("name", ["starting", "ready", "busy", "paused"])
def test_an_agent_that_has_not(name: str) -> None:
    assert not state(name).gone


def test_a_state_of_a_later_worker_is_a_failure() -> None:
    assert state("paused") == State("failed", "the Worker reports the agent as paused")
