"""The soak's rule: what it takes for a broken promise, and what it excuses."""

import json
import time

import pytest

from tests.support.caller import Frame
from tests.support.ledger import END_S, LINGER_S, Ledger, Span, State, Stream

ACK = Frame(b'{"type": "status", "data": "ack"}', {})
ABORTED = Frame(b'{"type": "status", "data": "aborted"}', {})
ERROR = Frame(b"{}", {"Nats-Service-Error-Code": "500"})
NOBODY = Frame(b"", {"Status": "503"})
END = Frame(b"", {})


def text(data: str) -> Frame:
    """Return a chunk of an answer."""
    return Frame(json.dumps({"type": "response", "data": data}).encode(), {})


@pytest.fixture
def ledger() -> Ledger:
    """Return a ledger with one agent that runs."""
    ledger = Ledger(["one"])
    ledger.agents["one"].becomes(State.RUNS)
    return ledger


def stream_of(ledger: Ledger, *frames: Frame, said: float | None = None) -> Stream:
    """Return a stream of second 100, with a frame in each second after it."""
    stream = ledger.stream("one", takes_turns=said is not None, now=100)
    stream.expected, stream.said = "hello", said
    for number, frame in enumerate(frames):
        stream.take(frame, 101 + number)
    return stream


@pytest.mark.parametrize(
    ("frames", "outcome"),
    [
        ([ACK, text("hel"), text("lo"), END], "answered"),
        ([ACK, text("hel"), ERROR, END], "told"),
        ([ACK, ABORTED, END], "cut on purpose"),
        ([ERROR, END], "refused"),
        ([NOBODY], "nobody listened"),
        ([], "not acknowledged"),
    ],
)
def test_what_may_happen(ledger: Ledger, frames: list[Frame], outcome: str) -> None:
    """With an ack, an end; without one, anything."""
    assert ledger.verdict(stream_of(ledger, *frames)) == (outcome, None)


@pytest.mark.parametrize(
    ("frames", "broken"),
    [
        ([ACK], "ended a stream 0 times"),
        ([ACK, text("hello")], "ended a stream 0 times"),
        ([ACK, ERROR, END, END], "ended a stream 2 times"),
        ([ACK, text("hel"), END], "half an answer"),
        ([ACK, text("hello"), text("hello"), END], "half an answer"),
    ],
)
def test_what_breaks_the_rule(ledger: Ledger, frames: list[Frame], broken: str) -> None:
    """An end too few or too many, or half an answer that seems to be one."""
    _, rule = ledger.verdict(stream_of(ledger, *frames))
    assert rule is not None
    assert broken in rule


@pytest.mark.parametrize(("begin", "is_excused"), [(101.3, True), (110.2, True), (105, False), (112, False)])
def test_a_fault_excuses_what_was_on_the_wire(ledger: Ledger, begin: float, is_excused: bool) -> None:
    """The ack or the end of the model's answer; not a stream that was open for all of it."""
    stream = stream_of(ledger, ACK, said=110)
    ledger.losses.append(Span(begin, begin + 0.1))
    _, rule = ledger.verdict(stream)
    assert (rule is None) == is_excused


def test_an_interrupt_may_fall_into_a_fault(ledger: Ledger) -> None:
    """The end that it causes is then lost."""
    stream = stream_of(ledger, ACK, said=120)
    ledger.cut("one", 110, 110)
    ledger.losses.append(Span(110, 110))
    assert ledger.verdict(stream) == ("excused by a fault", None)


@pytest.mark.parametrize(("settled", "is_excused"), [(111, False), (113, True)])
def test_a_second_fault_may_meet_what_the_first_held_up(ledger: Ledger, settled: float, is_excused: bool) -> None:
    """Until everybody has answered; the first one alone is no excuse."""
    stream = stream_of(ledger, ACK, said=130)
    ledger.losses.append(Span(108, 108.1))
    ledger.delay(109)
    assert not ledger.excuses(stream)
    ledger.settle(settled)
    ledger.losses.append(Span(112, 112.1))
    assert ledger.excuses(stream) == is_excused


def test_what_was_lost_once_is_not_excused_for_ever(ledger: Ledger) -> None:
    """A stream without an end is not open at every later fault."""
    stream = stream_of(ledger, ACK, said=None)
    ledger.cut("one", 150, 151)
    ledger.losses.append(Span(150, 151))
    assert not ledger.excuses(stream)


def test_a_second_fault_that_came_at_once_meets_nothing(ledger: Ledger) -> None:
    """What the first one holds up is not sent yet when the second one begins, however long that lasts."""
    stream = stream_of(ledger, ACK, said=130)
    ledger.delay(109)
    ledger.losses.append(Span(108.5, 112))
    assert not ledger.excuses(stream)


@pytest.mark.parametrize(("end", "is_excused"), [(112, True), (108.8, False)])
def test_a_second_fault_that_nobody_notices_meets_what_is_sent_in_it(
    ledger: Ledger, end: float, is_excused: bool
) -> None:
    """A path that swallows everything takes also what the first fault held up and the Worker sends meanwhile."""
    stream = stream_of(ledger, ACK, said=130)
    ledger.delay(109)
    ledger.losses.append(Span(108.5, end, is_silent=True))
    assert ledger.excuses(stream) == is_excused


def test_who_was_stopped_does_not_answer(ledger: Ledger) -> None:
    """Not until the next start begins."""
    agent = ledger.agents["one"]
    before = stream_of(ledger)
    agent.becomes(State.STOPPED)
    after, late = stream_of(ledger), stream_of(ledger)
    for stream in [before, after]:
        stream.take(text("hello"), 200)
    agent.becomes(State.UNKNOWN)
    late.take(text("hello"), 300)
    assert [ledger.verdict(stream)[1] for stream in [before, after, late]] == [
        None,
        "one answered after it was stopped",
        None,
    ]


def test_streams_are_judged_when_nothing_more_can_come(ledger: Ledger) -> None:
    """Long after their end, or longer after their ack."""
    stream_of(ledger, ACK, text("hello"), END)
    stream_of(ledger, ACK)
    assert list(ledger.judge(100 + LINGER_S)) == []
    assert [outcome for _, outcome, _ in ledger.judge(104 + LINGER_S)] == ["answered"]
    assert [outcome for _, outcome, _ in ledger.judge(102 + END_S)] == ["broken"]
    assert ledger.open == {}


def test_times_are_noted_while_they_last(ledger: Ledger) -> None:
    """An open end is endless."""
    with ledger.losing():
        assert ledger.is_losing(time.monotonic() + 1000)
    assert not ledger.is_losing(time.monotonic() + 0.001)
