"""Interprets the Worker's responses, and checks what they claim."""

import re
from datetime import UTC, datetime
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import unquote

import msgspec

from exec_cf import edge, routes, states, urls
from exec_cf._version import version
from exec_cf.display import truncated
from exec_cf.errors import InvalidValue
from exec_cf.http import Response
from exec_cf.messages import AgentList, BusBlock, ListedAgent, ListTotals
from exec_cf.plan import Plan
from exec_cf.settings import Settings
from exec_cf.subjects import AGENT

MAX_CAUSE_CHARS = 300
"""Characters of a Worker's own text that are shown."""

MAX_CURSOR_CHARS = 8192
"""Longest cursor of a list that is sent back to the Worker."""

_MIN_SECRET_CHARS = 8
"""A shorter secret may occur in a path or a name by chance."""


class WorkerError(Exception):
    """The Worker cannot be reached, refuses, or gives an unexpected response.

    The text is the cause, ready for a handle's `message`. With *conflict*, another agent runs in the session, which we
    must not stop; with *maybe_started*, the request may have taken effect nevertheless; with *is_absent*, there is no
    Worker at the URL.
    """

    def __init__(
        self, cause: str, *, conflict: bool = False, maybe_started: bool = False, is_absent: bool = False
    ) -> None:
        super().__init__(cause)
        self.is_absent = is_absent
        self.conflict = conflict
        self.maybe_started = maybe_started


class NoRouteError(Exception):
    """The Worker does not serve the route; the text is the HTTP status."""


class Health(msgspec.Struct, frozen=True):
    """The response of the Worker's `/health`; *auth* is `token`, `none` or `unusable`."""

    agent: str
    version: str = ""
    auth: str = ""

    @property
    def is_older(self) -> bool:
        """Whether the Worker is an older release than this program."""
        return _release(self.version) < _release(version) if self.version else False


_RELEASE = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


def _release(text: str) -> tuple[int, ...]:
    """Return the numbers of a release; empty, which sorts first, for anything else."""
    found = _RELEASE.match(text)
    return tuple(map(int, found.groups())) if found else ()


def health(response: Response) -> Health | None:
    """Return the body of *response* to `GET /health`, or None if it is not from this program's Worker."""
    if response.status != 200:
        return None
    try:
        body = msgspec.json.decode(response.body, type=Health)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: text that is not UTF-8
        return None
    return body if body.agent == AGENT else None


class Started(msgspec.Struct, frozen=True):
    """A running agent. *abort* is the URL that stops it; empty if the Worker returned none."""

    abort: str = ""
    created: bool = False
    """Whether this start created the agent, which otherwise was running already."""
    maybe_started: bool = False
    """Whether an earlier attempt got no response but may have created the agent."""


class SessionState(msgspec.Struct, frozen=True):
    """What the Worker reports for a session; *name* is a state of `exec_cf.states`, or one this version lacks."""

    name: str
    cause: str = ""
    stopped_at: datetime | None = None
    abort: str = ""
    """The URL that stops the agent; empty if the Worker returned none."""
    seen_at: datetime | None = None
    """When the Worker sent this, by the same clock as `stopped_at`; in whole seconds."""


class AgentPage(msgspec.Struct, frozen=True):
    """One page of the list of agents. *cursor* leads to the next one, and is empty on the last."""

    agents: list[ListedAgent]
    totals: ListTotals
    cursor: str
    size: int
    """Bytes of the response's body."""
    seen_at: datetime | None
    """When the Worker sent this, by the clock of the agents' times; in whole seconds."""


class StoppedAll(msgspec.Struct, frozen=True):
    """The sessions whose agents the Worker stopped, and those of which it could not stop them."""

    stopped: list[str]
    failed: list[str] = []


class _Subjects(msgspec.Struct, frozen=True):
    """Unlike `BusBlock`, this ignores fields that a later Worker may add."""

    prompt: str
    status: str
    hb: str
    signal: str


class _StartBody(msgspec.Struct, frozen=True):
    subjects: _Subjects
    state: str | None = None
    agent: str | None = None
    abort: str = ""


class _StateBody(msgspec.Struct, frozen=True):
    state: str
    agent: str | None = None
    subjects: _Subjects | None = None
    cause: str | None = None
    abort: str | None = None
    stopped_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _PageBody(AgentList, frozen=True, kw_only=True):
    cursor: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CURSOR_CHARS)] | msgspec.UnsetType = msgspec.UNSET


class _ErrorBody(msgspec.Struct, frozen=True):
    error: str = ""
    message: str = ""


Body = TypeVar("Body", bound=msgspec.Struct)


class Answer:
    """A response to *verb* (`start`, `status`, `abort` or `list`); every cause begins with that word.

    The Worker's own text is shown cut, printable, and without the secrets of *settings*; text from anything in front of
    it is not shown. With *is_foreign*, the URL is outside the Worker's origin, so the response may be a web page.
    """

    def __init__(self, verb: str, response: Response, settings: Settings, *, is_foreign: bool = False) -> None:
        self._verb = verb
        self._response = response
        self._settings = settings
        self.status = response.status
        self.resent = response.resent
        """Whether the request was sent twice, so that it may have taken effect the first time."""
        has_service_token = bool(settings.access_client_id)
        self._intermediary = edge.intermediary(response, sends_service_token=has_service_token, is_foreign=is_foreign)

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt may succeed: 429 and 5xx."""
        return self.status == 429 or self.status >= 500

    @property
    def problem(self) -> str:
        """The HTTP status, with the Worker's own message where there is one, or what answered instead."""
        return self._intermediary or self._with_message(f"HTTP {self.status}")

    def started(self, plan: Plan, *, maybe_started: bool) -> Started:
        """Return the agent that was started for *plan*.

        Raises `NoRouteError` if the Worker does not serve the route, and `WorkerError` if it refuses, or if the agent
        is not the one of *plan*.
        """
        self._raise_for_status()
        body = self._decoded(_StartBody)
        if body is None:
            self._fail("the Worker's answer does not name the agent's subjects; is it this program's Worker?")
        self._check_identity(plan, body.subjects, body.agent)
        if body.state is not None and states.state(body.state).status != "ready":
            cause = f"start: the Worker reports the agent as {self._redacted(body.state)}"
            raise WorkerError(cause, maybe_started=True)
        try:
            abort = self._abort_url(plan, body.abort)
        except InvalidValue:
            # The path is a capability, and may hold whatever else the Worker echoes.
            raise WorkerError("start: the Worker names an unusable abort path", maybe_started=True) from None
        return Started(abort, created=self.status == 201, maybe_started=maybe_started)

    def session_state(self, plan: Plan) -> SessionState:
        """Return the state of the plan's session.

        Raises `NoRouteError` if the Worker cannot report it, and `WorkerError` if it refuses, or if the agent is not
        the one of *plan*.
        """
        if self.status == 404 and self._error().error:
            return SessionState("unknown")
        self._raise_for_status()
        body = self._decoded(_StateBody)
        if body is None:
            self._fail("the Worker's answer does not name a state; is it this program's Worker?")
        self._check_identity(plan, body.subjects, body.agent)
        try:
            abort = self._abort_url(plan, body.abort or "")
        except InvalidValue:
            abort = ""
        return SessionState(
            self._redacted(body.state),
            self._redacted(body.cause or ""),
            body.stopped_at,
            abort,
            self._response.date,
        )

    def check_stopped(self) -> None:
        """Check that the agent is stopped; 410 means that it was gone already.

        Raises `NoRouteError` if the Worker does not serve the route, `WorkerError` if it refuses.
        """
        if self.status != 410:
            self._raise_for_status()

    def agent_page(self) -> AgentPage:
        """Return a page of the list of agents.

        Raises `NoRouteError` if the Worker has no such list, `WorkerError` if it refuses, or sends anything else.
        """
        self._raise_for_status()
        body = self._decoded(_PageBody)
        try:
            agents = list(map(self._checked, body.agents)) if body else None
        except OverflowError:
            agents = None
        if body is None or agents is None:
            self._fail("the Worker's answer is not a list of agents, or too long; is it this program's Worker?")
        return AgentPage(agents, body.totals, body.cursor or "", len(self._response.body), self._response.date)

    def stopped_all(self) -> StoppedAll:
        """Return which agents were stopped, and which were not.

        Raises `NoRouteError` if the Worker does not serve the route, `WorkerError` if it refuses.
        """
        self._raise_for_status()
        body = self.stopped_some()
        if body is None:
            self._fail("the Worker's answer does not name the agents that it stopped; is it this program's Worker?")
        return body

    def stopped_some(self) -> StoppedAll | None:
        """Return the same of an answer with any status, or None if it does not say that."""
        body = None if self._intermediary else self._decoded(StoppedAll)
        return body and StoppedAll(list(map(self._redacted, body.stopped)), list(map(self._redacted, body.failed)))

    def _checked(self, agent: ListedAgent) -> ListedAgent:
        """Return *agent* without secrets in its text, and its times in UTC. Raises `OverflowError`."""
        fields = {field: getattr(agent, field) for field in ListedAgent.__struct_fields__}
        names = {field: value for field, value in fields.items() if isinstance(value, str)}
        names = {field: self._without_secrets(name, _MIN_SECRET_CHARS) for field, name in names.items()}
        times = {field: time.astimezone(UTC) for field, time in fields.items() if isinstance(time, datetime)}
        cause = {"cause": self._redacted(agent.cause)} if agent.cause else {}
        return ListedAgent(**{**fields, **names, **times, **cause})

    def _raise_for_status(self) -> None:
        """Raise `NoRouteError` if the Worker does not serve the route, `WorkerError` for any other status but 2xx."""
        if self._intermediary:
            self._fail(self._intermediary)
        if self.status in {404, 405}:
            raise NoRouteError(self.status)
        if 200 <= self.status < 300:
            return
        if self.status in {401, 403}:
            self._fail(self._refusal())
        if self.status == 409 and self._verb == "start":
            cause = "start: the session already runs with other settings (HTTP 409)"
            raise WorkerError(self._with_message(cause), conflict=True)
        if 300 <= self.status < 400:
            self._fail(f"the Worker redirects (HTTP {self.status}); use its final URL")
        self._fail(self.problem)

    def _refusal(self) -> str:
        """Return the cause of a 401 or 403."""
        cure = "set CF_WORKER_TOKEN to its CONTROL_TOKEN"
        if not edge.is_workers_own(self._response):
            what = f"HTTP {self.status} without the Worker's own error message"
            return f"{what}; if nothing in front of it refuses the request, {cure}"
        if self.status == 401 and not self._settings.token:
            return f"the Worker requires a token (HTTP 401); {cure}"
        return f"the Worker refuses the token (HTTP {self.status}); {cure}"

    def _abort_url(self, plan: Plan, path: str) -> str:
        """Return the URL of *path*, where the plan's session is stopped; empty if *path* is not absolute.

        Raises `InvalidValue` if *path* is invalid, or repeats a secret, which would be printed in the handle.
        """
        added = path.removeprefix(routes.abort("", plan.session))
        for secret in self._settings.secrets:
            if len(secret) >= _MIN_SECRET_CHARS and (secret in added or secret in unquote(added)):
                raise InvalidValue("the path contains a secret", "")
        return urls.below(plan.base, path) if path.startswith("/") else ""

    def _check_identity(self, plan: Plan, subjects: _Subjects | None, agent: str | None) -> None:
        for field in BusBlock.__struct_fields__ if subjects else ():
            ours, theirs = getattr(plan.bus, field), getattr(subjects, field)
            if ours != theirs:
                self._fail(f"the agent listens on {self._redacted(theirs)}, not on {ours}")
        if agent not in {None, plan.agent}:
            self._fail(f"the session runs {self._redacted(str(agent))}, not {plan.agent}")

    def _fail(self, cause: str) -> NoReturn:
        raise WorkerError(f"{self._verb}: {cause}")

    def _error(self) -> _ErrorBody:
        return self._decoded(_ErrorBody) or _ErrorBody()

    def _decoded(self, kind: type[Body]) -> Body | None:
        """Return the body decoded as *kind*, or None if it does not fit."""
        try:
            return msgspec.json.decode(self._response.body, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: text that is not UTF-8
            return None

    def _with_message(self, text: str) -> str:
        message = self._redacted(self._error().message)
        return f"{text}: {message}" if message else text

    def _redacted(self, text: str) -> str:
        return truncated(self._without_secrets(text), MAX_CAUSE_CHARS)

    def _without_secrets(self, text: str, least: int = 0) -> str:
        """Return *text* without the secrets of at least *least* characters."""
        for secret in self._settings.secrets:
            text = text.replace(secret, "***") if len(secret) >= least else text
        return text
