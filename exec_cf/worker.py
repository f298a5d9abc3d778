"""The conversation with the Worker: is it healthy, does it run the agent, did the agent stop."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, NoReturn, TypeVar

import msgspec

from exec_cf import urls
from exec_cf.display import truncated
from exec_cf.errors import Code, Diagnostic, InvalidValue
from exec_cf.http import Request, RequestError, Response
from exec_cf.messages import BusBlock
from exec_cf.plan import Plan
from exec_cf.settings import Settings

PAUSE_S = 0.25
"""Seconds between two attempts."""

UP = frozenset({"ready", "busy"})
"""States of an agent that listens."""

CONFLICT = "the session runs already with other settings"

_MAX_CAUSE_CHARS = 300


Told = TypeVar("Told", bound=msgspec.Struct)


class Unavailable(Exception):  # noqa: N818  reads as a sentence at every raise
    """The Worker does not do what it is asked; the text is the cause, fit for a handle's `message`.

    *conflict* says that another's agent runs in the session, which is not ours to stop; *maybe_started* that what was
    asked for may have been done all the same.
    """

    def __init__(self, cause: str, *, conflict: bool = False, maybe_started: bool = False) -> None:
        super().__init__(cause)
        self.conflict = conflict
        self.maybe_started = maybe_started


class Line(msgspec.Struct, frozen=True):
    """What a conversation needs of the world: a way to ask, to wait some seconds, and to tell the user at once."""

    exchange: Callable[[Request], Response]
    sleep: Callable[[float], None]
    note: Callable[[Diagnostic], None]


class Started(msgspec.Struct, frozen=True):
    """The agent listens. *abort* is where it is stopped, empty when the Worker does not say."""

    abort: str = ""
    created: bool = False
    """Whether this start made it; otherwise it ran already."""
    maybe_started: bool = False
    """Whether an attempt before it had no answer, and may have made it."""


class SessionState(msgspec.Struct, frozen=True):
    """What the Worker says of a session: `starting`, `ready`, `busy`, `stopped`, or `unknown`."""

    state: str
    cause: str = ""
    stopped_at: datetime | None = None
    abort: str = ""
    """Where it is stopped; empty when the Worker does not say."""


class NoRoute(Exception):  # noqa: N818  reads as a sentence at every raise
    """The Worker does not serve the route; the number is its HTTP status."""


class _Subjects(msgspec.Struct, frozen=True):
    """As a Worker tells them; a later one may tell more."""

    prompt: str
    status: str
    hb: str
    signal: str


class _StartAnswer(msgspec.Struct, frozen=True):
    subjects: _Subjects
    state: str | None = None
    agent: str | None = None
    abort: str = ""


class _SeenAnswer(msgspec.Struct, frozen=True):
    state: str
    agent: str | None = None
    subjects: _Subjects | None = None
    cause: str | None = None
    abort: str | None = None
    stopped_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _ErrorAnswer(msgspec.Struct, frozen=True):
    error: str = ""
    message: str = ""


def probe(plan: Plan, settings: Settings, line: Line) -> None:
    """Return as soon as `GET <base>/health` answers 2xx.

    Raises `Unavailable` with the last cause when no attempt does.
    """
    request = Request(method="GET", url=f"{plan.base}/health", timeout_ms=settings.timeout_ms)
    _attempts(lambda: _healthy(line.exchange(request)), settings.retries, "healthcheck", line)


def start(plan: Plan, settings: Settings, line: Line) -> Started:
    """Start the agent, or find it running with the same settings, and return how it is stopped.

    A Worker without that route has only its health to offer: that is told, and taken for a start.
    Raises `Unavailable` when the Worker refuses, cannot, or starts something else than the plan says.
    """
    request = Request(
        method="POST",
        url=_session_url(plan),
        timeout_ms=settings.bootstrap_timeout_ms,
        headers={"content-type": "application/json", **_bearer(plan.base, plan.base, settings)},
        body=msgspec.json.encode(_start_body(plan)),
        read_body=True,
    )
    try:
        answer, attempts = _ask(request, "start", settings, line)
    except Unavailable as cause:
        raise Unavailable(str(cause), maybe_started=True) from None
    if answer.status in {404, 405}:
        line.note(no_route("POST /agent/<session>", answer.status))
        return Started()
    if not 200 <= answer.status < 300:
        _refuse("start", answer, settings)
    return _started(answer, plan, settings, maybe_started=attempts > 1)


def look(plan: Plan, settings: Settings, line: Line) -> SessionState:
    """Return what the session is doing.

    Raises `NoRoute` when the Worker cannot say, `Unavailable` when it cannot be asked or runs another's agent there.
    """
    request = Request(
        method="GET",
        url=_session_url(plan),
        timeout_ms=settings.timeout_ms,
        headers=_bearer(plan.base, plan.base, settings),
        read_body=True,
    )
    answer, _ = _ask(request, "status", settings, line)
    if answer.status == 404 and _error_of(answer).error:
        return SessionState("unknown")
    if answer.status in {404, 405}:
        raise NoRoute(answer.status)
    if not 200 <= answer.status < 300:
        _refuse("status", answer, settings)
    told = _decoded(answer, _SeenAnswer)
    if told is None:
        raise Unavailable("status: the Worker's answer does not name a state; is it this program's Worker?")
    if told.subjects is not None:
        _check_subjects("status", plan.bus, told.subjects, settings)
    _check_agent("status", plan, told.agent, settings)
    try:
        abort = _named_abort(plan, told.abort or "")
    except InvalidValue:
        abort = ""
    return SessionState(_redacted(told.state, settings), _redacted(told.cause or "", settings), told.stopped_at, abort)


def stop(target: str, base: str, settings: Settings, line: Line) -> None:
    """Post to *target*; a Worker that says that it is gone already (410) has done what was asked.

    The token goes along only when *target* is of the origin of *base*. Raises `Unavailable` when the Worker cannot
    be reached or refuses, `NoRoute` when it does not serve *target*.
    """
    headers = _bearer(target, base, settings)
    request = Request(method="POST", url=target, timeout_ms=settings.timeout_ms, headers=headers, read_body=True)
    answer, _ = _ask(request, "abort", settings, line)
    if answer.status in {404, 405}:
        raise NoRoute(answer.status)
    if answer.status != 410 and not 200 <= answer.status < 300:
        _refuse("abort", answer, settings)


def no_route(route: str, status: object) -> Diagnostic:
    """Return what is told of a Worker without *route*."""
    message = f"the Worker has no {route} (HTTP {status}); ready means a healthy Worker only"
    return Diagnostic(Code.NO_ROUTE, message)


def _session_url(plan: Plan) -> str:
    return f"{plan.base}/agent/{urls.escaped(plan.session)}"


def _bearer(target: str, base: str, settings: Settings) -> dict[str, str]:
    """Return the header that carries the token, none without one and none to another origin than the Worker's."""
    if not settings.token or urls.origin_of(target) != urls.origin_of(base):
        return {}
    return {"authorization": f"Bearer {settings.token}"}


def _ask(request: Request, what: str, settings: Settings, line: Line) -> tuple[Response, int]:
    """Return the answer that another attempt would not change, and which attempt had it."""
    return _attempts(lambda: _decided(line.exchange(request), settings), settings.retries, what, line)


def _attempts(attempt: Callable[[], Response], limit: int, what: str, line: Line) -> tuple[Response, int]:
    cause = ""
    for number in range(1, limit + 1):
        if number > 1:
            line.sleep(PAUSE_S)
        try:
            return attempt(), number
        except RequestError as failed:
            cause = truncated(str(failed), _MAX_CAUSE_CHARS)
            line.note(Diagnostic(Code.ATTEMPT, f"{what} attempt {number}/{limit}: {cause}"))
    raise Unavailable(f"{what}: {cause}" if limit == 1 else f"{what}: {cause} (after {limit} attempts)")


def _healthy(answer: Response) -> Response:
    if 200 <= answer.status < 300:
        return answer
    raise RequestError(f"HTTP {answer.status}")


def _decided(answer: Response, settings: Settings) -> Response:
    """Return an answer that another attempt would not change."""
    if answer.status == 429 or answer.status >= 500:
        raise RequestError(_with_cause(f"HTTP {answer.status}", answer, settings))
    return answer


def _start_body(plan: Plan) -> dict[str, object]:
    body: dict[str, object] = {"name": plan.name, "agent": plan.agent, "owner": plan.owner}
    optional = {"labels": plan.labels, "env": plan.env, "description": plan.description}
    return body | {key: value for key, value in optional.items() if value}


def _refuse(what: str, answer: Response, settings: Settings) -> NoReturn:
    status = answer.status
    cure = "set CF_WORKER_TOKEN to its CONTROL_TOKEN"
    if status == 401 and not settings.token:
        raise Unavailable(f"{what}: the Worker wants a token (HTTP 401); {cure}")
    if status in {401, 403}:
        raise Unavailable(f"{what}: the Worker refuses the token (HTTP {status}); {cure}")
    if status == 409:
        text = f"{what}: {CONFLICT} (HTTP 409)"
        raise Unavailable(_with_cause(text, answer, settings), conflict=True)
    if 300 <= status < 400:
        raise Unavailable(f"{what}: the Worker redirects (HTTP {status}); name its final URL")
    raise Unavailable(_with_cause(f"{what}: HTTP {status}", answer, settings))


def _error_of(answer: Response) -> _ErrorAnswer:
    return _decoded(answer, _ErrorAnswer) or _ErrorAnswer()


def _decoded(answer: Response, kind: type[Told]) -> Told | None:
    """Return what the answer's body tells, None when it is no JSON of that kind."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, RecursionError):
        return None


def _with_cause(text: str, answer: Response, settings: Settings) -> str:
    """Return *text* with the Worker's own sentence, which is shown without anything secret or unprintable."""
    message = _redacted(_error_of(answer).message, settings)
    return f"{text}: {message}" if message else text


def _redacted(text: str, settings: Settings) -> str:
    """Return *text* of the Worker's, cut, without anything secret or unprintable."""
    if settings.token:
        text = text.replace(settings.token, "***")
    return truncated(text, _MAX_CAUSE_CHARS)


def _started(answer: Response, plan: Plan, settings: Settings, *, maybe_started: bool) -> Started:
    told = _decoded(answer, _StartAnswer)
    if told is None:
        raise Unavailable("start: the Worker's answer does not name the agent's subjects; is it this program's Worker?")
    _check_subjects("start", plan.bus, told.subjects, settings)
    _check_agent("start", plan, told.agent, settings)
    if told.state not in {None, *UP}:
        raise Unavailable(
            f"start: the Worker says that the agent is {_redacted(str(told.state), settings)}", maybe_started=True
        )
    try:
        abort = _named_abort(plan, told.abort)
    except InvalidValue as invalid:
        raise Unavailable(
            f"start: the Worker names an unusable abort path: {invalid.message}", maybe_started=True
        ) from None
    return Started(abort, created=answer.status == 201, maybe_started=maybe_started)


def _named_abort(plan: Plan, path: str) -> str:
    return urls.below(plan.base, path) if path.startswith("/") else ""


def _check_agent(what: str, plan: Plan, told: str | None, settings: Settings) -> None:
    if told not in {None, plan.agent}:
        raise Unavailable(f"{what}: the session runs {_redacted(str(told), settings)}, not {plan.agent}")


def _check_subjects(what: str, ours: BusBlock, theirs: _Subjects, settings: Settings) -> None:
    for field in ours.__struct_fields__:
        mine, told = getattr(ours, field), getattr(theirs, field)
        if mine != told:
            raise Unavailable(f"{what}: the agent listens on {_redacted(told, settings)}, not on {mine}")
