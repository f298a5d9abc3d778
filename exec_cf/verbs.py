"""What can be asked of an agent that was spawned: how it is, to stop, to be gone."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from exec_cf import document, handles, settings, urls, worker
from exec_cf._version import version
from exec_cf.encode import render, render_json
from exec_cf.errors import Code, Diagnostic, Refused
from exec_cf.messages import EXECUTOR, SPECS, Version, WorkerHandle
from exec_cf.plan import Plan
from exec_cf.plan import plan as plan_of
from exec_cf.settings import Settings
from exec_cf.usage import PROGRAM, VERBS
from exec_cf.worker import Line, SessionState


class Target(msgspec.Struct, frozen=True):
    """A handle that was recognised, and under which settings the Worker is asked about it."""

    handle: WorkerHandle
    plan: Plan
    settings: Settings


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """What `--probe-version` prints."""

    program: str = PROGRAM
    version: str
    executor: str = EXECUTOR
    spec_versions: list[Version]
    verbs: list[str]


def validate(data: bytes) -> None:
    """Raise `Refused` with every problem of the SpawnSpec in *data*; the environment has no say in it."""
    bare, _, _ = settings.read({})
    plan_of(document.read(data), bare)


def spoken(as_json: bool) -> bytes:
    """Return what this program speaks, as one document: the handshake before a spawn."""
    versions = Versions(version=version, spec_versions=list(SPECS), verbs=list(VERBS))
    return render_json(versions) if as_json else render(versions)


def parse_handle(data: bytes, environ: Mapping[str, str], note: Callable[[Diagnostic], None]) -> Target:
    """Return the case of the WorkerHandle in *data*. Raises `Refused` with every problem of it and of *environ*."""

    def target_under(read: Settings) -> tuple[Target, list[Diagnostic]]:
        handle, plan = handles.parse(document.read(data))
        problems = settings.check_token_destination(plan.base, read)
        if problems:
            raise Refused(problems)
        return Target(handle, plan, read), []

    return settings.under(environ, note, target_under)


def status(target: Target, line: Line, now: Callable[[], datetime], wait_s: float) -> WorkerHandle:
    """Return the handle with `status` and `message` as they are.

    An agent that is still starting is asked again until *wait_s* seconds have passed by the clock *now*.
    """
    deadline = now() + timedelta(seconds=wait_s)
    found = _state(target, line)
    while found.status == "pending" and now() < deadline:
        line.sleep(worker.PAUSE_S)
        found = _state(target, line)
    if found.status != "ready":
        line.note(Diagnostic(Code.NOT_READY, f"{target.plan.name} {found.status}: {found.message}"))
    handle = msgspec.structs.replace(target.handle, status=found.status, message=found.message or msgspec.UNSET)
    if handle.abort and found.abort and target.plan.abort_is_default:
        handle = msgspec.structs.replace(handle, abort=msgspec.structs.replace(handle.abort, target=found.abort))
    return handle


class _StatusUpdate(msgspec.Struct, frozen=True):
    """What a handle is to say now; *abort* is what the Worker names for this agent alone."""

    status: str
    message: str = ""
    abort: str = ""


def abort(target: Target, line: Line) -> None:
    """Stop the agent, and no other where the handle's target would stop all of the Worker's.

    Raises `Refused` when the handle offers no way, or the Worker does not do it.
    """
    if not target.plan.abort:
        hint = "its spec disabled it, or another's agent has the session; an agent stops by itself when idle"
        raise Refused([Diagnostic(Code.VALUE, "the handle offers no abort", ("abort",), hint)])
    _insist(lambda: _stop(target, line))


def _stop(target: Target, line: Line) -> None:
    plan = target.plan
    if plan.abort_is_default:
        try:
            worker.stop(urls.session_abort_url(plan.base, plan.session), plan.base, target.settings, line)
        except worker.NoRoute:
            pass  # an earlier Worker, which stops all or nothing
        else:
            return
    try:
        worker.stop(plan.abort, plan.base, target.settings, line)
    except worker.NoRoute as missing:
        path = urls.quoted_url(plan.abort.partition("?")[0])  # the query may be a capability
        text = f"abort: the Worker does not serve {path} (HTTP {missing})"
        raise worker.Unavailable(text) from None


def teardown(target: Target, line: Line) -> None:
    """Stop the agent and see that it left. Raises `Refused` when it does not, or when that cannot be seen."""
    abort(target, line)
    _insist(lambda: _left(target, line))


def _left(target: Target, line: Line) -> None:
    state = ""
    for _ in range(target.settings.retries):
        try:
            state = worker.look(target.plan, target.settings, line).state
        except worker.NoRoute as missing:
            text = f"teardown: the agent was aborted, but the Worker does not say whether it left (HTTP {missing})"
            raise worker.Unavailable(text) from None
        if state in _GONE:
            return
        line.sleep(worker.PAUSE_S)
    raise worker.Unavailable(f"teardown: the agent is still {state}")


_GONE = frozenset({"unknown", "stopped"})


def _insist(act: Callable[[], None]) -> None:
    try:
        act()
    except worker.Unavailable as cause:
        raise Refused([Diagnostic(Code.WORKER, str(cause))]) from None


def _never_ran(seen: SessionState, handle: WorkerHandle) -> bool:
    """Say whether nothing that *handle* stands for has run and been stopped."""
    if seen.state == "stopped":
        return seen.stopped_at is not None and seen.stopped_at < handle.created_at
    return seen.state == "unknown"


_STATES = {
    "starting": ("pending", "the agent is starting"),
    "stopped": ("failed", "the agent is gone"),
    "unknown": ("failed", "the agent is gone; spawn it again"),
}
"""What the Worker says of a session where no agent listens, and what a handle says then."""


def _state(target: Target, line: Line) -> _StatusUpdate:
    try:
        return _asked(target, line)
    except worker.Unavailable as cause:
        return _StatusUpdate("failed", str(cause))


def _told(seen: SessionState) -> _StatusUpdate:
    if seen.state in worker.UP:
        return _StatusUpdate("ready", abort=seen.abort)
    status, message = _STATES.get(seen.state, ("failed", f"the Worker says that the agent is {seen.state}"))
    return _StatusUpdate(status, f"{message}: {seen.cause}" if seen.cause else message)


def _asked(target: Target, line: Line) -> _StatusUpdate:
    """Return what the session is doing; without a route to ask, or without a start, a healthy Worker has to do.

    A pending handle is a start that was put off: unless the session was stopped since then, this makes it. Where
    another's agent has the session, what it does says nothing of this handle.
    """
    plan, read, handle = target.plan, target.settings, target.handle
    if handle.status == "failed" and not plan.abort and worker.CONFLICT in (handle.message or ""):
        return _StatusUpdate("failed", handle.message or "")
    try:
        seen = worker.look(plan, read, line)
    except worker.NoRoute as missing:
        line.note(worker.no_route("GET /agent/<session>", missing))
        worker.probe(plan, read, line)
        return _StatusUpdate("ready")
    if not read.bootstrap and seen.state == "unknown":
        worker.probe(plan, read, line)
        return _StatusUpdate("ready")
    if handle.status == "pending" and read.bootstrap and _never_ran(seen, handle):
        return _StatusUpdate("ready", abort=worker.start(plan, read, line).abort)
    return _told(seen)
