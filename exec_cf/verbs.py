"""The verbs for one spec or handle, validate, status, abort and teardown; and probe-version."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from exec_cf import document, handles, routes, settings, states
from exec_cf._version import version
from exec_cf.answers import NoRouteError, SessionState, WorkerError
from exec_cf.client import Client, no_route, or_refuse
from exec_cf.display import quoted_url
from exec_cf.encode import encoded
from exec_cf.errors import Code, Diagnostic, Note, Refused
from exec_cf.messages import EXECUTOR, SPECS, Version, WorkerHandle
from exec_cf.plan import Plan
from exec_cf.plan import plan as plan_of
from exec_cf.settings import Settings
from exec_cf.usage import PROGRAM, VERBS
from exec_cf.world import World


class Target(msgspec.Struct, frozen=True):
    """A handle, its plan, and the settings for requests to its Worker."""

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
    """Raise `Refused` with every problem of the SpawnSpec in *data*, ignoring the environment."""
    defaults, _, _ = settings.read({})
    plan_of(document.read(data), defaults)


def versions(as_json: bool) -> bytes:
    """Return a document with the supported contract versions and verbs, for a dispatcher to check before a spawn."""
    supported = Versions(version=version, spec_versions=list(SPECS), verbs=list(VERBS))
    return encoded(supported, as_json=as_json)


def parse_handle(data: bytes, environ: Mapping[str, str], note: Note) -> Target:
    """Return the target of a verb: the WorkerHandle in *data*, with the settings in *environ*.

    Raises `Refused` with every problem of both.
    """
    with settings.applied(environ, note) as current:
        handle, plan = handles.parse(document.read(data))
        problems = settings.check_token_destination(plan.base, current)
        if problems:
            raise Refused(problems)
    return Target(handle, plan, current)


def status(target: Target, client: Client, world: World, wait_s: float) -> WorkerHandle:
    """Return the handle with its current `status` and `message`.

    While the agent is starting, ask again until *wait_s* seconds have passed.
    """
    deadline = world.monotonic() + wait_s
    update = _update(target, client, world.time)
    while update.status == "pending" and world.monotonic() < deadline:
        client.pause()
        update = _update(target, client, world.time)
    if update.status != "ready":
        client.note(Diagnostic(Code.NOT_READY, f"{target.plan.name} {update.status}: {update.message}"))
    handle = msgspec.structs.replace(target.handle, status=update.status, message=update.message or msgspec.UNSET)
    if update.is_conflict:
        return msgspec.structs.replace(handle, abort=msgspec.UNSET)
    if handle.abort and update.abort and target.plan.abort_is_default:
        handle = msgspec.structs.replace(handle, abort=msgspec.structs.replace(handle.abort, target=update.abort))
    return handle


def abort(target: Target, client: Client) -> None:
    """Stop this agent only. Raises `Refused` if the handle has no abort, or the Worker does not stop it."""
    if not target.plan.abort:
        hint = "its spec disabled it, or another agent has the session; an agent stops by itself when idle"
        raise Refused([Diagnostic(Code.VALUE, "the handle has no abort", ("abort",), hint)])
    with or_refuse():
        _stop(target.plan, client)


def teardown(target: Target, client: Client) -> None:
    """Stop the agent and wait until it is gone. Raises `Refused` if it stays, or if its state is unknown."""
    abort(target, client)
    with or_refuse():
        _wait_until_gone(target, client)


def _stop(plan: Plan, client: Client) -> None:
    """Stop the plan's agent by the session's own route, or if the Worker lacks it by the handle's abort URL.

    A handle is untrusted input whose abort URL may lead anywhere, so it is not sent the token.
    """
    has_capability = routes.aborts_only(plan.base, plan.session, plan.abort)
    own = plan.abort if has_capability else routes.abort(plan.base, plan.session)
    status = ""
    for url, with_token in ((own, True), (plan.abort, False)):
        try:
            client.stop(url, with_token=with_token)
        except NoRouteError as missing:
            status = str(missing)
        else:
            return
    path = quoted_url(plan.abort)
    raise WorkerError(f"abort: the Worker does not serve {path} (HTTP {status})")


def _wait_until_gone(target: Target, client: Client) -> None:
    name = ""
    for _ in range(target.settings.retries):
        try:
            name = client.status(target.plan).name
        except NoRouteError as missing:
            cause = f"teardown: the agent was aborted, but the Worker cannot say whether it left (HTTP {missing})"
            raise WorkerError(cause) from None
        if states.state(name).gone:
            return
        client.pause()
    raise WorkerError(f"teardown: the agent is still {name}")


class _StatusUpdate(msgspec.Struct, frozen=True):
    """The new values of a handle; *abort* is the URL from the Worker that stops this agent alone."""

    status: str
    message: str = ""
    abort: str = ""
    is_conflict: bool = False
    """Whether the session belongs to another agent, which this handle must not stop."""


def _update(target: Target, client: Client, time: Callable[[], float]) -> _StatusUpdate:
    try:
        return _current(target, client, time)
    except WorkerError as error:
        message = f"{handles.CONFLICT}{error}" if error.conflict else str(error)
        return _StatusUpdate("failed", message, is_conflict=error.conflict)


def _current(target: Target, client: Client, time: Callable[[], float]) -> _StatusUpdate:
    """Return the state of the session, or the Worker's health if the state is not available or no agent is started.

    A pending handle is a deferred start: start the agent now, unless the session was stopped since. If the session
    belongs to another agent, its state says nothing about this handle.
    """
    plan, handle = target.plan, target.handle
    if handles.is_conflict(handle):
        return _StatusUpdate("failed", handle.message or "")
    try:
        session = client.status(plan)
    except NoRouteError as missing:
        client.note(no_route("GET /agent/<session>", missing))
        client.probe()
        return _StatusUpdate("ready")
    if not target.settings.bootstrap and session.name == "unknown":
        client.probe()
        return _StatusUpdate("ready")
    if handle.status == "pending" and target.settings.bootstrap and _never_ran(session, handle, time()):
        return _StatusUpdate("ready", abort=client.start(plan).abort)
    return _reported(session)


def _never_ran(session: SessionState, handle: WorkerHandle, time: float) -> bool:
    """Return whether no agent ran in the session since *handle* was printed; *time* is now.

    The Worker's clock may differ from this machine's, so ages are compared instead of times: how long ago the agent was
    stopped by the Worker's clock, and how long ago the handle was printed by this machine's.
    """
    if session.name != "stopped":
        return session.name == "unknown"
    if session.stopped_at is None:
        return False
    now = datetime.fromtimestamp(time, UTC)
    now_there = session.seen_at
    if now_there is None or abs(now - now_there) < _SAME_CLOCK:
        now_there = now
    return now_there - session.stopped_at > now - handle.created_at


_SAME_CLOCK = timedelta(seconds=2)
"""`Date` has whole seconds and takes time to arrive, so clocks that differ by less count as equal."""


def _reported(session: SessionState) -> _StatusUpdate:
    row = states.state(session.name)
    if row.status == "ready":
        return _StatusUpdate("ready", abort=session.abort)
    return _StatusUpdate(row.status, f"{row.message}: {session.cause}" if session.cause else row.message)
