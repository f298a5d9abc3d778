"""The list of agents as a table that fits the width of a terminal."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from exec_cf.display import truncated
from exec_cf.messages import AgentList, ListedAgent, ListTotals

DEFAULT_COLUMNS = 80
"""The width of a terminal that does not report its own."""

_GAP = "  "
_MAX_CELL_CHARS = 300


def width(columns: int, environ: Mapping[str, str]) -> int:
    """Return the width to use on a terminal of *columns*, 0 if unknown; `COLUMNS` takes precedence."""
    wanted = environ.get("COLUMNS", "")
    return int(wanted) if _WIDTH.fullmatch(wanted) else columns or DEFAULT_COLUMNS


_WIDTH = re.compile(r"[1-9][0-9]{0,4}")


def is_coloured(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal shows colours, and the user wants them (no-color.org)."""
    return not environ.get("NO_COLOR") and environ.get("TERM", "") not in {"", "dumb"}


def table(listed: AgentList, now: datetime, columns: int, *, coloured: bool) -> str:
    """Return the agents as lines of at most *columns*, the last of which has the totals; *now* is when ages are taken.

    Until the rest fits, columns are left out, then texts are cut, the least important ones first.
    """
    summary = _summary(listed.totals, columns)
    if not listed.agents:
        return f"{summary}\n"
    layout = _layout([_filled(column, listed.agents, now) for column in _COLUMNS], columns)
    rows = zip(*(_lines(cells, cut, coloured) for cells, cut in layout), strict=True)
    return "".join(f"{_GAP.join(row).rstrip(' ')}\n" for row in rows) + f"{summary}\n"


class _Column(msgspec.Struct, frozen=True):
    """A column. Those with the lowest *rank* are left out last; one with a *least* width can be cut to it."""

    title: str
    text: Callable[[ListedAgent, datetime], str]
    rank: int
    least: int = 0
    is_number: bool = False


class _Cells(msgspec.Struct, frozen=True):
    """A column's cells, the title first, made safe to show."""

    column: _Column
    texts: list[str]
    widest: int

    @property
    def least(self) -> int:
        return min(self.widest, self.column.least or self.widest)


def age(since: timedelta) -> str:
    """Return a duration in its largest unit, rounded down: `42 s`, `3 h`; negative ones count as zero."""
    seconds = max(0, since // timedelta(seconds=1))
    for unit, size, limit in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} d"


def count(number: int) -> str:
    """Return *number* with at most three digits and a prefix, rounded down: `999`, `1.2k`, `34M`."""
    power = 0
    scaled = number
    while scaled >= 1000:
        scaled //= 1000
        power += 1
    tenths = number * 10 // 1000**power % 10
    digits = f"{scaled}.{tenths}" if power and scaled < 10 and tenths else str(scaled)
    return f"{digits}{' kMGTPE'[power].strip()}"


_COLUMNS = (
    _Column("SESSION", lambda agent, _: agent.session, rank=0, least=20),
    _Column("OWNER", lambda agent, _: agent.owner, rank=2, least=8),
    _Column("AGENT", lambda agent, _: agent.agent, rank=4),
    _Column("STATE", lambda agent, _: agent.state, rank=1),
    _Column("AGE", lambda agent, now: age(now - agent.started_at), rank=3, is_number=True),
    _Column(
        "PROMPTED",
        lambda agent, now: age(now - agent.last_prompt_at) if agent.last_prompt_at else "",
        rank=5,
        is_number=True,
    ),
    _Column("ANSWERED", lambda agent, _: count(agent.answered), rank=8, is_number=True),
    _Column("FAILED", lambda agent, _: count(agent.failed), rank=9, is_number=True),
    _Column("IN", lambda agent, _: count(agent.input_tokens), rank=6, is_number=True),
    _Column("OUT", lambda agent, _: count(agent.output_tokens), rank=7, is_number=True),
    _Column("CAUSE", lambda agent, _: agent.cause or "", rank=10, least=16),
)
"""As users read them, from left to right."""

_STATE_COLOURS = {"starting": "33", "ready": "32", "busy": "36", "stopped": "2"}


def _filled(column: _Column, agents: Sequence[ListedAgent], now: datetime) -> _Cells:
    texts = [column.title, *(truncated(column.text(agent, now), _MAX_CELL_CHARS) for agent in agents)]
    return _Cells(column, texts, max(map(display_width, texts)))


def _layout(columns: Sequence[_Cells], limit: int) -> list[tuple[_Cells, int]]:
    """Return the columns that fit into *limit*, each with its width."""
    kept = [cells for cells in columns if any(cells.texts[1:])]
    while len(kept) > 1 and _total([cells.least for cells in kept]) > limit:
        kept.remove(max(kept, key=lambda cells: cells.column.rank))
    widths = {cells.column.title: cells.widest for cells in kept}
    for cells in sorted(kept, key=lambda cells: cells.column.rank, reverse=True):
        excess = _total(widths.values()) - limit
        if excess > 0:
            widths[cells.column.title] = max(cells.least, cells.widest - excess)
    # A single column may still be wider than the terminal.
    return [(cells, min(widths[cells.column.title], limit)) for cells in kept]


def _total(widths: Collection[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _lines(cells: _Cells, limit: int, coloured: bool) -> list[str]:
    """Return every cell of a column at the width *limit*."""
    shown = [fitted(text, limit) for text in cells.texts]
    spaces = [" " * (limit - display_width(text)) for text in shown]
    if cells.column.title == "STATE" and coloured:
        shown = [_in_colour(text) for text in shown]
    if cells.column.is_number:
        return [space + text for text, space in zip(shown, spaces, strict=True)]
    return [text + space for text, space in zip(shown, spaces, strict=True)]


def _in_colour(state: str) -> str:
    colour = _STATE_COLOURS.get(state)
    return f"\x1b[{colour}m{state}\x1b[0m" if colour else state


def _summary(totals: ListTotals, limit: int) -> str:
    """Return the totals in one line: as many of them as fit."""
    if not totals.agents:
        return fitted("no agents", limit)
    parts = [
        f"{totals.agents} agent{'' if totals.agents == 1 else 's'}",
        f"{totals.running} running",
        f"{count(totals.answered)} prompts answered",
        f"{count(totals.failed)} failed",
        f"{count(totals.input_tokens)} tokens in",
        f"{count(totals.output_tokens)} out",
    ]
    while len(parts) > 1 and len(", ".join(parts)) > limit:
        parts.pop()
    return fitted(", ".join(parts), limit)


def display_width(text: str) -> int:
    """Return how many columns of a terminal *text*, which is printable, takes at most.

    A mark that has no character before it takes one in some terminals.
    """
    return len(text) if text.isascii() else max(1, _char_width(text[0])) + sum(map(_char_width, text[1:]))


def fitted(text: str, limit: int) -> str:
    """Return *text*, cut between two characters to *limit* columns; an ellipsis stands for what is missing."""
    if display_width(text) <= limit:
        return text
    taken, end = 0, 0
    for cluster in _clusters(text):
        taken += display_width(cluster)
        if taken >= limit:
            break
        end += len(cluster)
    return text[:end] + "…"


def _clusters(text: str) -> Iterator[str]:
    """Yield the characters as readers see them: each with its accents, symbols with their colour, flags whole."""
    begin = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or not _joins(text[begin:index], text[index]):
            yield text[begin:index]
            begin = index


def _joins(cluster: str, char: str) -> bool:
    if _FLAG_LETTER.fullmatch(cluster) and _FLAG_LETTER.match(char):
        return True
    return unicodedata.category(char) in {"Mn", "Me", "Mc"} or bool(_JOINED.match(char))


def _char_width(char: str) -> int:
    if char == _AS_EMOJI:
        return 1
    if unicodedata.category(char) in {"Mn", "Me"} or _JAMO.match(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} or _WIDENED.match(char) else 1


_AS_EMOJI = "\ufe0f"
"""Many terminals show the symbol before it in two columns instead of one."""

_WIDENED = re.compile("[\u2630-\u2637\u268a-\u268f\u4dc0-\u4dff\U0001d300-\U0001d376\U0001f1e6-\U0001f1ff]")
"""Symbols that are wide since Unicode 16, which is newer than some interpreters, and letters of flags."""

_JAMO = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")
"""Vowels and final consonants of Korean syllables, which join the consonant before them."""

_JOINED = re.compile(f"{_JAMO.pattern}|[\U0001f3fb-\U0001f3ff]")
"""These, and the skin colours of emoji."""

_FLAG_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")
"""Two of them are a flag."""
