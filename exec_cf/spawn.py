"""The main job: a SpawnSpec's bytes to a WorkerHandle."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from exec_cf import document, urls, worker
from exec_cf.errors import Code, Diagnostic
from exec_cf.handles import ABORT_KIND
from exec_cf.messages import EXECUTOR, HANDLES, AbortBlock, WorkerHandle
from exec_cf.plan import Plan, plan
from exec_cf.settings import Settings, under

PENDING_MESSAGE = "not started: CF_WORKER_HEALTHCHECK is off; --status of this handle starts it"


class PreparedSpawn(msgspec.Struct, frozen=True):
    """A spawn that is known to be good, and not yet begun."""

    plan: Plan
    settings: Settings


class Spawned(msgspec.Struct, frozen=True):
    """A handle, and where to stop the agent that was started for it; empty when none was.

    *maybe_started* says that an attempt had no answer, and may have started one all the same.
    """

    handle: WorkerHandle
    stop: str = ""
    maybe_started: bool = False


def prepare(data: bytes, environ: Mapping[str, str], note: Callable[[Diagnostic], None]) -> PreparedSpawn:
    """Return the order that the SpawnSpec in *data* makes under *environ*; *note* gets what the user should know.

    Raises `Refused` with every problem of the spec and of the environment.
    """

    def prepared_under(settings: Settings) -> tuple[PreparedSpawn, list[Diagnostic]]:
        planned, notes = plan(document.read(data), settings)
        return PreparedSpawn(planned, settings), notes

    return under(environ, note, prepared_under)


def spawn(prepared: PreparedSpawn, line: worker.Line, now: Callable[[], datetime]) -> Spawned:
    """Start the agent and return its handle, checked.

    A Worker that cannot be reached or refuses yields a handle with `status: failed`, and a line that says why.
    """
    planned, settings = prepared.plan, prepared.settings
    if not settings.healthcheck:
        return Spawned(_handle(planned, planned.abort, now(), "pending", PENDING_MESSAGE))
    abort = planned.abort
    try:
        worker.probe(planned, settings, line)
        if not settings.bootstrap:
            return Spawned(_handle(planned, abort, now(), "ready", ""))
        abort = _own_abort(planned)
        started = worker.start(planned, settings, line)
    except worker.Unavailable as cause:
        line.note(Diagnostic(Code.NOT_READY, f"{planned.name} failed: {cause}"))
        handle = _handle(planned, "" if cause.conflict else abort, now(), "failed", str(cause))
        return Spawned(handle, maybe_started=cause.maybe_started)
    abort = started.abort if planned.abort_is_default and started.abort else planned.abort
    stop = (started.abort or urls.session_abort_url(planned.base, planned.session)) if started.created else ""
    return Spawned(_handle(planned, abort, now(), "ready", ""), stop, started.maybe_started)


def _own_abort(planned: Plan) -> str:
    """Return where to stop this agent and no other, unless the spec wants it elsewhere."""
    return urls.session_abort_url(planned.base, planned.session) if planned.abort_is_default else planned.abort


def roll_back(spawned: Spawned, prepared: PreparedSpawn, line: worker.Line) -> None:
    """Stop the agent again whose handle could not be delivered: nobody else knows of it."""
    if not spawned.stop:
        if spawned.maybe_started:
            message = f"a start had no answer: an agent may be running in session {prepared.plan.session}"
            line.note(Diagnostic(Code.ROLLED_BACK, message, hint="spawn it again for a handle"))
        return
    try:
        worker.stop(spawned.stop, prepared.plan.base, prepared.settings, line)
    except (worker.Unavailable, worker.NoRoute) as cause:
        line.note(Diagnostic(Code.ROLLED_BACK, f"the agent could not be stopped again: {cause}"))
        return
    line.note(Diagnostic(Code.ROLLED_BACK, "the agent was stopped again"))


def _handle(planned: Plan, abort: str, created_at: datetime, status: str, message: str) -> WorkerHandle:
    return HANDLES[planned.version](
        spec_version=planned.version,  # type: ignore[arg-type]  # the struct is the one of this version
        name=planned.name,
        agent=planned.agent,
        session=planned.session,
        created_at=created_at,
        executor=EXECUTOR,
        id=planned.base,
        bus=planned.bus,
        abort=AbortBlock(kind=ABORT_KIND, target=abort) if abort else msgspec.UNSET,
        status=status,
        message=message or msgspec.UNSET,
    )
