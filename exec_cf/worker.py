"""The conversation with the Worker: is it healthy, and does it run the agent."""

from collections.abc import Callable

import msgspec

from exec_cf import urls
from exec_cf.errors import Unfit
from exec_cf.http import Answer, Failed, Request
from exec_cf.messages import BusBlock
from exec_cf.plan import Plan
from exec_cf.settings import Settings
from exec_cf.text import plain

PAUSE_S = 0.25
"""Seconds between two attempts."""

_LONGEST_CAUSE = 300


class Unavailable(Exception):  # noqa: N818  reads as a sentence at every raise
    """The Worker does not run the agent; the text is the cause, fit for a handle's `message`."""


class Line(msgspec.Struct, frozen=True):
    """What a conversation needs of the world: a way to ask, to wait some seconds, and to tell the user at once."""

    exchange: Callable[[Request], Answer]
    sleep: Callable[[float], None]
    note: Callable[[str], None]


class Started(msgspec.Struct, frozen=True):
    """The agent listens. *abort* is where it is stopped, empty when the Worker does not say."""

    abort: str = ""
    created: bool = False
    """Whether this start made it; otherwise it ran already."""


class _StartAnswer(msgspec.Struct, frozen=True):
    subjects: BusBlock
    abort: str = ""


class _ErrorAnswer(msgspec.Struct, frozen=True):
    message: str = ""


def probe(plan: Plan, settings: Settings, line: Line) -> None:
    """Return as soon as `GET <base>/health` answers 2xx.

    Raises `Unavailable` with the last cause when no attempt does.
    """
    request = Request(method="GET", url=f"{plan.base}/health", limit_ms=settings.timeout_ms)
    _attempts(lambda: _healthy(line.exchange(request)), settings.retries, "healthcheck", line)


def start(plan: Plan, settings: Settings, line: Line) -> Started:
    """Start the agent, or find it running with the same settings, and return how it is stopped.

    A Worker without that route has only its health to offer: that is told, and taken for a start.
    Raises `Unavailable` when the Worker refuses, cannot, or starts something else than the plan says.
    """
    request = Request(
        method="POST",
        url=f"{plan.base}/agent/{urls.escaped(plan.session)}",
        limit_ms=settings.bootstrap_timeout_ms,
        headers={"content-type": "application/json", **bearer(settings)},
        body=msgspec.json.encode(_start_body(plan)),
    )
    answer = _attempts(lambda: _decided(line.exchange(request), settings), settings.retries, "start", line)
    if answer.status in {404, 405}:
        line.note(f"the Worker has no POST /agent/<session> (HTTP {answer.status}); ready means a healthy Worker only")
        return Started()
    if not 200 <= answer.status < 300:
        raise Unavailable(_refusal(answer, settings))
    return _started(answer, plan)


def stop(target: str, settings: Settings, line: Line) -> None:
    """Post to *target*, and tell how that went."""
    request = Request(method="POST", url=target, limit_ms=settings.timeout_ms, headers=bearer(settings))
    try:
        answer = line.exchange(request)
    except Failed as failed:
        line.note(f"the agent could not be stopped again: {failed}")
        return
    line.note(f"the agent was stopped again (HTTP {answer.status})")


def bearer(settings: Settings) -> dict[str, str]:
    """Return the header that carries the token, none without one."""
    return {"authorization": f"Bearer {settings.token}"} if settings.token else {}


def _attempts(attempt: Callable[[], Answer], most: int, what: str, line: Line) -> Answer:
    cause = ""
    for number in range(1, most + 1):
        if number > 1:
            line.sleep(PAUSE_S)
        try:
            return attempt()
        except Failed as failed:
            cause = plain(str(failed))
            line.note(f"{what} attempt {number}/{most}: {cause}")
    raise Unavailable(f"{what}: {cause}" if most == 1 else f"{what}: {cause} (after {most} attempts)")


def _healthy(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    raise Failed(f"HTTP {answer.status}")


def _decided(answer: Answer, settings: Settings) -> Answer:
    """Return an answer that another attempt would not change."""
    if answer.status == 429 or answer.status >= 500:
        raise Failed(_with_cause(f"HTTP {answer.status}", answer, settings))
    return answer


def _start_body(plan: Plan) -> dict[str, object]:
    body: dict[str, object] = {"name": plan.name, "agent": plan.agent, "owner": plan.owner}
    optional = {"labels": plan.labels, "env": plan.env, "description": plan.description}
    return body | {key: value for key, value in optional.items() if value}


def _refusal(answer: Answer, settings: Settings) -> str:
    if answer.status == 401 and not settings.token:
        return "start: the Worker wants a token (HTTP 401); set CF_WORKER_TOKEN to its CONTROL_TOKEN"
    if answer.status in {401, 403}:
        return f"start: the Worker refuses the token (HTTP {answer.status}); set CF_WORKER_TOKEN to its CONTROL_TOKEN"
    if answer.status == 409:
        return _with_cause("start: the session runs already with other settings (HTTP 409)", answer, settings)
    if 300 <= answer.status < 400:
        return f"start: the Worker redirects (HTTP {answer.status}); name its final URL"
    return _with_cause(f"start: HTTP {answer.status}", answer, settings)


def _with_cause(text: str, answer: Answer, settings: Settings) -> str:
    """Return *text* with the Worker's own sentence, which is shown without anything secret or unprintable."""
    try:
        message = msgspec.json.decode(answer.body, type=_ErrorAnswer).message
    except msgspec.DecodeError:
        return text
    if settings.token:
        message = message.replace(settings.token, "***")
    return f"{text}: {plain(message[:_LONGEST_CAUSE])}" if message else text


def _started(answer: Answer, plan: Plan) -> Started:
    try:
        told = msgspec.json.decode(answer.body, type=_StartAnswer)
    except msgspec.DecodeError:
        raise Unavailable(
            "start: the Worker's answer does not name the agent's subjects; is it this program's Worker?"
        ) from None
    for field in plan.bus.__struct_fields__:
        ours, theirs = getattr(plan.bus, field), getattr(told.subjects, field)
        if ours != theirs:
            raise Unavailable(f"start: the agent listens on {plain(str(theirs)[:_LONGEST_CAUSE])}, not on {ours}")
    try:
        abort = urls.abort_url(plan.base, told.abort, plan.session) if told.abort.startswith("/") else ""
    except Unfit as unfit:
        raise Unavailable(f"start: the Worker names an unusable abort path: {unfit.message}") from None
    return Started(abort, answer.status == 201)
