"""The answer of `GET /agents`: what it must look like, and a stand-in with agents of any kind."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
from playwright.sync_api import Request, Route

from tests.support.visit import Visit

PAGE_AGENTS = 100
STATES = ["starting", "ready", "busy", "stopped"]
COUNTERS = ["answered", "failed", "input_tokens", "output_tokens"]

_TEXT = {"type": "string", "minLength": 1}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_COUNT = {"type": "integer", "minimum": 0}


def time(moment: datetime) -> str:
    """Return a time as the Worker writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_HOUR_AGO = time(datetime.now(UTC) - timedelta(hours=1))


def _object(required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


_AGENT = {
    **_object(
        {
            **dict.fromkeys(["session", "owner", "agent"], _TEXT),
            "state": {"enum": STATES},
            "started_at": _TIME,
            **dict.fromkeys(COUNTERS, _COUNT),
        },
        {"last_prompt_at": _TIME, "cause": _TEXT, "stopped_at": _TIME},
    ),
    "if": {"properties": {"state": {"const": "stopped"}}},
    "then": {"required": ["stopped_at"]},
    "else": {"properties": {"stopped_at": False}},
}
_LISTING = _object(
    {
        "agents": {"type": "array", "maxItems": PAGE_AGENTS, "items": _AGENT},
        "totals": _object(dict.fromkeys(["agents", "running", *COUNTERS], _COUNT), {}),
    },
    {"cursor": _TEXT},
)
_VALIDATOR = jsonschema.Draft202012Validator(_LISTING)


def check_listing(listing: object) -> None:
    """Raise ValidationError unless this is an answer of `GET /agents`."""
    _VALIDATOR.validate(listing)


def agent(session: str, state: str = "ready", **fields: Any) -> dict[str, Any]:
    """Return an agent that started an hour ago, with other `fields`."""
    made = {
        "session": session,
        "owner": "ann",
        "agent": "echo",
        "state": state,
        "started_at": _HOUR_AGO,
        **dict.fromkeys(COUNTERS, 0),
        **fields,
    }
    if state == "stopped":
        made.setdefault("stopped_at", _HOUR_AGO)
    check_listing({"agents": [made], "totals": dict.fromkeys(["agents", "running", *COUNTERS], 0)})
    return made


class FakeList:
    """Answers `GET /agents` in the place of the Worker, in one tab; lists agents in the order given."""

    def __init__(self, tab: Visit, agents: Sequence[dict[str, Any]], token: str | None = None) -> None:
        """Stand between the page and the Worker. A request that it would not send, or without the token, is a fault."""
        self.agents = list(agents)
        self.failure: tuple[int, dict[str, str]] | None = None
        """The status and body of an error, for all requests until it is taken away."""
        self.queries: list[dict[str, str]] = []
        self._tab = tab
        self._token = token
        tab.page.route(lambda url: urlsplit(url).path == "/agents", self._answer)

    def _answer(self, route: Route) -> None:
        query = {name: value for name, [value] in parse_qs(urlsplit(route.request.url).query).items()}
        self._tab.faults += self._faults(route.request, query)
        self.queries.append(query)
        if self.failure is not None:
            status, body = self.failure
            route.fulfill(status=status, json=body)
        else:
            route.fulfill(json=self._listing(query))

    def _faults(self, request: Request, query: dict[str, str]) -> list[str]:
        expected = None if self._token is None else f"Bearer {self._token}"
        given = request.headers.get("authorization")
        is_fine = request.method == "GET" and given == expected and query.keys() <= {"owner", "state", "cursor"}
        return [] if is_fine else [f"{request.method} {request.url} with {given}"]

    def _listing(self, query: dict[str, str]) -> dict[str, Any]:
        filters = {name: value for name, value in query.items() if name != "cursor"}
        found = [each for each in self.agents if filters.items() <= each.items()]
        start = int(query.get("cursor", "0"))
        running = sum(each["state"] != "stopped" for each in found)
        sums = {name: sum(each[name] for each in found) for name in COUNTERS}
        end = start + PAGE_AGENTS
        listing = {"agents": found[start:end], "totals": {"agents": len(found), "running": running, **sums}}
        return listing | ({"cursor": str(end)} if end < len(found) else {})
