"""The verbs for all agents of a Worker: list, and abort --all."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from exec_cf.answers import AgentPage, NoRouteError, WorkerError
from exec_cf.client import Client, or_refuse
from exec_cf.display import first_few, truncated
from exec_cf.errors import Code, Diagnostic, Refused
from exec_cf.messages import AgentList, ListedAgent
from exec_cf.usage import VERBS

MAX_PAGES = 1000
MAX_BYTES = 16 << 20
"""Longest list, in bytes of all its pages: some 50,000 agents."""

_UPDATE = f"update it with `{VERBS['deploy'].example}`"


class Listing(msgspec.Struct, frozen=True):
    """The agents of a Worker, and when it listed them by its own clock; None if it did not say."""

    agents: AgentList
    seen_at: datetime | None


def listing(client: Client, owner: str, state: str) -> Listing:
    """Return the agents of the Worker; *owner* and *state*, unless empty, leave out all others. Raises `Refused`."""
    try:
        return _listing(client, owner, state)
    except NoRouteError as missing:
        message = f"list: the Worker has no list of agents (HTTP {missing})"
        raise Refused([Diagnostic(Code.WORKER, message, hint=_UPDATE)]) from None


def _listing(client: Client, owner: str = "", state: str = "") -> Listing:
    with or_refuse():
        return collected(lambda cursor: client.agent_page(owner, state, cursor))


def collected(page_at: Callable[[str], AgentPage]) -> Listing:
    """Return the agents of all pages; *page_at* returns the page at a cursor, which is empty for the first one.

    The totals are those of the first page, since agents that start later are not on those that follow. Raises
    `WorkerError` if the pages have no end.
    """
    first = page = page_at("")
    agents = list(page.agents)
    size = page.size
    cursors: set[str] = set()
    while page.cursor:
        if page.cursor in cursors:
            raise WorkerError("list: the Worker sends a page twice; is it this program's Worker?")
        cursors.add(page.cursor)
        if len(cursors) == MAX_PAGES or size > MAX_BYTES:
            limit = f"{MAX_PAGES} pages or {MAX_BYTES >> 20} MiB"
            raise WorkerError(f"list: the list is longer than {limit}; list fewer agents with --owner or --state")
        page = page_at(page.cursor)
        agents += page.agents
        size += page.size
    return Listing(AgentList(agents=agents, totals=first.totals), first.seen_at)


def confirm_stop(client: Client, confirm: Callable[[str], bool]) -> bool:
    """Return whether there is an agent to stop, after naming the owners of all and asking *confirm*.

    If the Worker has no list, the question has no number. Raises `Refused` if the list cannot be fetched for any other
    reason, or the user does not agree.
    """
    url = truncated(client.base)
    try:
        running = [agent for agent in _listing(client).agents.agents if agent.state != "stopped"]
    except NoRouteError as missing:
        unknown = (
            f"the Worker has no list of agents (HTTP {missing}), so the number and the owners of its agents are unknown"
        )
        client.note(Diagnostic(Code.NO_ROUTE, unknown))
        question = f"stop all agents of {url}?"
    else:
        if not running:
            client.note(_nothing_to_stop(url))
            return False
        client.note(Diagnostic(Code.OWNERS, f"owners: {owners(running)}"))
        question = f"stop {_counted(len(running))} of {url}?"
    if not confirm(f"{question} [y/N]"):
        raise Refused([Diagnostic(Code.UNCONFIRMED, "not confirmed; nothing was stopped")])
    return True


def owners(agents: Sequence[ListedAgent]) -> str:
    """Return the owners of *agents* and how many each has, the largest first: `ann (8), bob (4)`."""
    counts = Counter(agent.owner for agent in agents).most_common()
    return first_few([f"{truncated(owner) or 'unknown'} ({count})" for owner, count in counts])


def stop_all(client: Client) -> None:
    """Stop every agent of the Worker, and report how many were running. Raises `Refused` if one was not stopped."""
    url = truncated(client.base)
    try:
        with or_refuse():
            ended = client.stop_all()
    except NoRouteError as missing:
        message = f"abort: the Worker has no POST /control/abort (HTTP {missing})"
        raise Refused([Diagnostic(Code.WORKER, message, hint=_UPDATE)]) from None
    count = len(ended.stopped)
    if ended.failed:
        rest = f"{'at least ' if ended.maybe_more else ''}{count} {_was(count)} stopped"
        message = (
            f"abort: {_counted(len(ended.failed))} of {url} could not be stopped: {first_few(ended.failed)}; {rest}"
        )
        raise Refused([Diagnostic(Code.WORKER, message, hint="abort again")])
    if ended.maybe_more:
        known = f"; at least {count} {_was(count)} running" if count else ""
        client.note(Diagnostic(Code.STOPPED, f"all agents of {url} are stopped{known}"))
    elif count:
        client.note(Diagnostic(Code.STOPPED, f"{_counted(count)} of {url} {_was(count)} stopped"))
    else:
        client.note(_nothing_to_stop(url))


def _nothing_to_stop(url: str) -> Diagnostic:
    return Diagnostic(Code.UNCHANGED, f"no agent of {url} is running; nothing was stopped")


def _counted(count: int) -> str:
    return f"{count} agent" if count == 1 else f"{count} agents"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
