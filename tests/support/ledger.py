"""What callers were promised, held against what they saw: the rule of the soak.

Every acknowledged stream ends exactly once, an answer without an error is whole, and an agent that was stopped does not
answer. A fault excuses only what was on the wire at that moment: a stream whose ack or whose end fell into it. After a
fault, ends that were held back or that its victims are told are on the wire until everybody has answered again; only
another fault before that can meet them, or one in between that nobody notices.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from tests.support.caller import Frame

# How long before and after a fault a message may have been under way, or not yet on disk.
MARGIN_S = 0.5
# Longest wait for the end of an acknowledged stream: a full queue of turns, and an agent's way back.
END_S = 150.0
# How long after its ack a stream counts as open, when something could have ended it: one that was lost never ends.
OPEN_S = 30.0
# How long a stream is watched after its end for a second one, which an agent's next life might send.
LINGER_S = 60.0


class State(Enum):
    """Whether an agent should answer; unknown while a start or an abort had no answer."""

    RUNS = "runs"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass
class Span:
    """A time; endless until it is over."""

    begin: float
    end: float = math.inf
    is_silent: bool = False
    """Whether nobody can notice it meanwhile, so that whatever is sent in it is lost."""

    def meets(self, other: "Span", margin: float = 0.0) -> bool:
        """Tell whether the two have a moment in common, or nearly."""
        return self.begin - margin <= other.end and other.begin <= self.end + margin


@dataclass
class Agent:
    """One session, and what was done to it."""

    session: str
    state: State = State.STOPPED
    life: int = 0
    """How many starts and aborts there were: what was sent in one life is not judged by another."""
    cuts: list[Span] = field(default_factory=list)
    """When its turns were ended on purpose."""

    def becomes(self, state: State) -> None:
        """Note the outcome of a start or an abort."""
        self.state = state
        self.life += 1


@dataclass
class Stream:
    """One prompt, and what came back."""

    name: str
    agent: Agent
    expected: str
    """What the whole answer says."""
    sent: float
    life: int
    was_stopped: bool
    takes_turns: bool
    """Whether a model answers, so that the end comes later than the ack."""
    text: str = ""
    acknowledged: float | None = None
    said: float | None = None
    """When the model had said everything."""
    failed: bool = False
    cut: bool = False
    nobody: bool = False
    posthumous: bool = False
    """Whether its agent answered after it was stopped."""
    ends: list[float] = field(default_factory=list)

    def take(self, frame: Frame, now: float) -> None:
        """Note a frame."""
        if frame.headers.get("Status") == "503":
            self.nobody = True
        elif frame.is_terminator:
            self.ends.append(now)
        elif frame.headers:
            self.failed = True
        elif frame.json["type"] == "response":
            self.text += frame.json["data"]
            is_same = self.agent.life == self.life and self.agent.state is State.STOPPED
            self.posthumous = self.posthumous or (self.was_stopped and is_same)
        elif frame.json["data"] == "ack":
            self.acknowledged = self.acknowledged or now
        elif frame.json["data"] == "aborted":
            self.cut = True

    @property
    def is_answered(self) -> bool:
        """Whether it ended well."""
        return self.text == self.expected and len(self.ends) == 1 and not self.failed

    def is_over(self, now: float) -> bool:
        """Tell whether nothing more is awaited."""
        if self.ends:
            return now > self.ends[0] + LINGER_S
        return now > (self.acknowledged or self.sent) + END_S

    def was_open(self, then: float) -> bool:
        """Tell whether it was acknowledged not long before, and not ended."""
        if self.acknowledged is None or any(end < then for end in self.ends):
            return False
        return self.acknowledged <= then <= self.acknowledged + OPEN_S

    def moments(self) -> Iterator[Span]:
        """When its ack and its end may have been on the wire."""
        for at in [self.acknowledged, self.said, *self.ends]:
            if at is not None:
                yield Span(at, at)
        if self.acknowledged is not None:
            if not self.takes_turns:
                yield Span(self.acknowledged, self.acknowledged + MARGIN_S)
            yield from (cut for cut in self.agent.cuts if self.was_open(cut.begin))


class Ledger:
    """The agents, the faults, and the streams that are not judged yet."""

    def __init__(self, sessions: list[str]) -> None:
        """Begin with no agent running."""
        self.agents = {session: Agent(session) for session in sessions}
        self.open: dict[str, Stream] = {}
        self._number = 0
        self.losses: list[Span] = []
        """When messages may have been lost."""
        self.delays: list[Span] = []
        """When ends that an earlier fault held up may have been on the wire."""
        self.is_settled = True
        """Whether everybody has answered since the last fault."""

    def stream(self, session: str, takes_turns: bool, now: float) -> Stream:
        """Note a prompt that is sent now, and give it a name."""
        self._number += 1
        name, agent = str(self._number), self.agents[session]
        stream = Stream(name, agent, "", now, agent.life, agent.state is State.STOPPED, takes_turns)
        self.open[name] = stream
        return stream

    @contextmanager
    def losing(self, is_silent: bool = False) -> Iterator[None]:
        """Note that messages may be lost within the block."""
        loss = Span(time.monotonic(), is_silent=is_silent)
        self.losses.append(loss)
        try:
            yield
        finally:
            loss.end = time.monotonic()

    def cut(self, session: str, begin: float, end: float = math.inf) -> None:
        """Note that a turn of the agent may have been ended on purpose; without an end, until all is settled."""
        self.agents[session].cuts.append(Span(begin, end))

    def delay(self, begin: float) -> None:
        """Note that ends may be on the wire from then on, until all is settled."""
        self.delays.append(Span(begin))

    def settle(self, now: float) -> None:
        """Note that everybody has answered."""
        self.is_settled = True
        for span in [*self.delays, *(cut for agent in self.agents.values() for cut in agent.cuts)]:
            span.end = min(span.end, now)

    def is_losing(self, now: float) -> bool:
        """Tell whether the agents may be out of reach."""
        return any(loss.begin <= now <= loss.end for loss in self.losses)

    def excuses(self, stream: Stream) -> bool:
        """Tell whether a fault may have cost its ack or its end."""
        delays = [delay for delay in self.delays if stream.was_open(delay.begin)]
        return any(
            any(loss.meets(at, MARGIN_S) for at in stream.moments())
            or any(delay.begin <= loss.begin <= delay.end or (loss.is_silent and delay.meets(loss)) for delay in delays)
            for loss in self.losses
        )

    def verdict(self, stream: Stream) -> tuple[str, str | None]:
        """Return what became of a stream, for counting, and which promise was broken."""
        if stream.acknowledged is None and not stream.posthumous:
            return "nobody listened" if stream.nobody else "refused" if stream.ends else "not acknowledged", None
        wrong = self._wrong(stream)
        if wrong:
            return "broken", f"{stream.agent.session} {wrong}"
        if len(stream.ends) == 1 and (stream.failed or stream.cut):
            return "told" if stream.failed else "cut on purpose", None
        return "answered" if stream.is_answered else "excused by a fault", None

    def _wrong(self, stream: Stream) -> str | None:
        """Return what is wrong with an acknowledged stream."""
        if stream.posthumous:
            return "answered after it was stopped"
        if len(stream.ends) != 1:
            return None if self.excuses(stream) else f"ended a stream {len(stream.ends)} times"
        if stream.failed or stream.cut or stream.text == stream.expected:
            return None
        whole = Span(stream.sent, stream.ends[0])
        is_excused = any(loss.meets(whole, MARGIN_S) for loss in self.losses)
        return None if is_excused else "ended half an answer without an error"

    def judge(self, now: float) -> Iterator[tuple[Stream, str, str | None]]:
        """Return the verdicts on streams that are over, and forget them."""
        for stream in [stream for stream in self.open.values() if stream.is_over(now)]:
            del self.open[stream.name]
            yield stream, *self.verdict(stream)
        # Nothing that is still open began so long ago.
        old = now - 4 * END_S
        self.losses = [loss for loss in self.losses if loss.end > old]
        self.delays = [delay for delay in self.delays if delay.end > old]
        for agent in self.agents.values():
            agent.cuts = [cut for cut in agent.cuts if cut.end > old]
