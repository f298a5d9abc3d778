"""Signals end the program at once: it dies by them, prints nothing and leaves nobody behind."""

import os
import signal

import pytest

from tests.support import manners
from tests.support.manners import Server
from tests.support.program import Program, alive_in_session, outcome
from tests.support.specs import spec

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
PROBE_ONLY = {"CF_WORKER_BOOTSTRAP": "0"}


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_during_the_probe_ends_it(program: Program, number: signal.Signals) -> None:
    with Server(manners.silent()) as server, program.start(env=PROBE_ONLY) as running:
        running.feed(spec(server.url))
        server.wait_for_requests()
        os.kill(running.child.pid, number)
        assert running.end() == (-number, b"", "")
        assert alive_in_session(running.child.pid) == []


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_while_stdin_is_read_ends_it(program: Program, number: signal.Signals) -> None:
    with program.start() as running:
        running.feed(b"x" * 100_000, close=False)  # more than a pipe holds: the program reads
        os.kill(running.child.pid, number)
        assert running.end() == (-number, b"", "")


def test_a_signal_to_the_whole_group_ends_it(program: Program) -> None:
    with Server(manners.silent()) as server, program.start(env=PROBE_ONLY) as running:
        running.feed(spec(server.url))
        server.wait_for_requests()
        os.killpg(running.child.pid, signal.SIGINT)
        assert running.end() == (-signal.SIGINT, b"", "")


def test_a_signal_during_the_start_ends_it(program: Program) -> None:
    with Server(manners.in_turn(manners.ok, manners.silent())) as server, program.start() as running:
        running.feed(spec(server.url))
        server.wait_for_requests(2)
        os.kill(running.child.pid, signal.SIGTERM)
        assert running.end() == (-signal.SIGTERM, b"", "")


@pytest.mark.parametrize("name", ["HUP", "INT"], ids=["as under nohup", "as in the background of a plain shell"])
def test_an_ignored_signal_stays_ignored(program: Program, name: str) -> None:
    with (
        Server(manners.in_turn(manners.status(503), manners.ok)) as server,
        program.start(env=PROBE_ONLY, within=f"trap '' {name}; exec \"$@\"") as running,
    ):
        running.feed(spec(server.url))
        running.wait_for("attempt 1/3")
        os.kill(running.child.pid, signal.Signals[f"SIG{name}"])
        assert outcome(running.end()) == ("ready", "")
