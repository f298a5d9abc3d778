"""A Worker with many agents, which lists and stops them, and checks strictly how it is asked."""

import base64
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.stub import Asked, Reply, WorkerStub

PAGE = 100
STATES = ("starting", "ready", "busy", "stopped")
FIELDS = {"owner", "state", "cursor"}
STARTED = datetime(2026, 11, 26, 12, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """Return a time as the Worker writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listed(session: str, /, *, minutes: float = 0, **fields: Any) -> dict[str, Any]:
    """Return an agent of the list that was started *minutes* after `STARTED`."""
    counters = {"answered": 0, "failed": 0, "input_tokens": 0, "output_tokens": 0}
    started = stamp(STARTED + timedelta(minutes=minutes))
    who = {"session": session, "owner": "ann", "agent": "echo", "state": "ready", "started_at": started}
    return {**who, **counters, **fields}


def totals(agents: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return the sums over *agents*."""
    found = list(agents)
    sums = {name: sum(agent[name] for agent in found) for name in ("answered", "failed", "input_tokens")}
    sums["output_tokens"] = sum(agent["output_tokens"] for agent in found)
    return {"agents": len(found), "running": sum(agent["state"] != "stopped" for agent in found), **sums}


class Fleet(WorkerStub):
    """A Worker with *agents*; those in *stubborn* cannot be stopped.

    *lister* and *stopper* answer in its place, for what a Worker of this release does not send.
    """

    def __init__(
        self,
        agents: Iterable[dict[str, Any]] = (),
        *,
        stubborn: Iterable[str] = (),
        token: str = "",
        base: str = "",
        lister: Callable[[Asked], Reply] | None = None,
        stopper: Callable[[Asked], Reply] | None = None,
    ) -> None:
        super().__init__(token=token, base=base)
        self.agents = sorted(map(dict, agents), key=_place, reverse=True)
        self._stubborn = set(stubborn)
        self._authorization = f"Bearer {token}" if token else ""
        self._lister = lister or self._list
        self._stopper = stopper or self._stop_all

    @property
    def running(self) -> list[str]:
        """The sessions whose agents run."""
        return [agent["session"] for agent in self.agents if agent["state"] != "stopped"]

    def answer(self, asked: Asked) -> Reply:
        """Answer any request."""
        self.asked.append(asked)
        handlers = {"GET /agents": self._lister, "POST /control/abort": self._stopper}
        handler = handlers.get(f"{asked.method} {urlsplit(asked.path).path.removeprefix(self._base)}")
        if handler is None or asked.body:
            self.faults.append(f"unexpected request: {asked.line}")
            return Reply(404, {"error": "not_found", "message": "no such route"})
        given = asked.headers.get("authorization", "")
        if self._authorization and given != self._authorization:
            status = 403 if given else 401
            return Reply(status, {"error": "forbidden" if given else "unauthorized", "message": "no"})
        if not self._authorization and given:
            self.faults.append("a token for an open Worker")
        return handler(asked)

    def _list(self, asked: Asked) -> Reply:
        pairs = parse_qsl(urlsplit(asked.path).query, keep_blank_values=True, strict_parsing=bool("?" in asked.path))
        query = dict(pairs)
        is_valid = len(query) == len(pairs) and query.keys() <= FIELDS and query.get("state", "ready") in STATES
        if not is_valid or not all(query.values()):
            self.faults.append(f"query of {asked.path}")
            return Reply(400, {"error": "bad_request", "message": "the query is invalid"})
        found = [agent for agent in self.agents if all(agent[key] == query[key] for key in {*query} - {"cursor"})]
        rest = [agent for agent in found if "cursor" not in query or _place(agent) < _decoded(query["cursor"])]
        page = rest[:PAGE]
        more = {"cursor": _cursor(page[-1])} if len(rest) > PAGE else {}
        return Reply(200, {"agents": page, "totals": totals(found), **more})

    def _stop_all(self, _: Asked) -> Reply:
        failed = [session for session in self.running if session in self._stubborn]
        stopped = [session for session in self.running if session not in self._stubborn]
        for agent in self.agents:
            if agent["session"] in stopped:
                agent |= {"state": "stopped", "cause": "it was aborted", "stopped_at": stamp(STARTED)}
        if not failed:
            return Reply(200, {"stopped": stopped})
        message = "some sessions could not be stopped; abort again"
        return Reply(500, {"error": "internal", "message": message, "stopped": stopped, "failed": failed})


def _place(agent: dict[str, Any]) -> list[str]:
    return [agent["started_at"], agent["session"]]


def _cursor(agent: dict[str, Any]) -> str:
    """Return a cursor with characters that a URL does not have as they are."""
    return base64.b64encode(json.dumps(_place(agent)).encode()).decode() + "+/="


def _decoded(cursor: str) -> list[str]:
    place: list[str] = json.loads(base64.b64decode(cursor.removesuffix("+/=")))
    return place
