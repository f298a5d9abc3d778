"""Spawns an agent: from the bytes of a SpawnSpec to a WorkerHandle."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from exec_cf import document, routes, settings
from exec_cf.answers import NoRouteError, Started, WorkerError
from exec_cf.client import Client
from exec_cf.errors import Code, Diagnostic, Note
from exec_cf.handles import ABORT_KIND, CONFLICT
from exec_cf.messages import EXECUTOR, HANDLES, AbortBlock, WorkerHandle
from exec_cf.plan import Plan, plan
from exec_cf.settings import Settings
from exec_cf.usage import VERBS

PENDING_MESSAGE = "not started: CF_WORKER_HEALTHCHECK is off; --status of this handle starts it"


class PreparedSpawn(msgspec.Struct, frozen=True):
    """A spawn whose spec and environment are valid, before any request is made."""

    plan: Plan
    settings: Settings


class Spawned(msgspec.Struct, frozen=True):
    """A handle, and the URL that stops the agent that was started for it; *stop* is empty if no agent was started.

    With *maybe_started*, an attempt got no response but may have started an agent.
    """

    handle: WorkerHandle
    stop: str = ""
    maybe_started: bool = False


def prepare(data: bytes, environ: Mapping[str, str], note: Note) -> PreparedSpawn:
    """Return the spawn that the SpawnSpec in *data* asks for; *note* gets informational diagnostics.

    Raises `Refused` with every problem of the spec and of the environment.
    """
    with settings.applied(environ, note) as current:
        planned, notes = plan(document.read(data), current)
    for diagnostic in notes:
        note(diagnostic)
    return PreparedSpawn(planned, current)


def spawn(prepared: PreparedSpawn, client: Client, time: Callable[[], float]) -> Spawned:
    """Start the agent and return its handle, stamped with *time* (seconds since the Unix epoch).

    If the Worker cannot be reached or refuses, the handle has `status: failed`, and a diagnostic gives the cause.
    """
    planned = prepared.plan
    if not prepared.settings.healthcheck:
        return Spawned(_handle(planned, planned.abort, time(), "pending", PENDING_MESSAGE))
    abort = planned.abort
    try:
        client.probe()
        if not prepared.settings.bootstrap:
            return Spawned(_handle(planned, abort, time(), "ready", ""))
        abort = _own_abort(planned)
        started = _started(planned, client)
    except WorkerError as error:
        hint = f"deploy a Worker with `{VERBS['deploy'].example}`" if error.is_absent else ""
        client.note(Diagnostic(Code.NOT_READY, f"{planned.name} failed: {error}", hint=hint))
        if error.conflict:
            return Spawned(_handle(planned, "", time(), "failed", f"{CONFLICT}{error}"))
        handle = _handle(planned, abort, time(), "failed", str(error))
        return Spawned(handle, maybe_started=error.maybe_started)
    abort = started.abort if planned.abort_is_default and started.abort else planned.abort
    stop = (started.abort or routes.abort(planned.base, planned.session)) if started.created else ""
    return Spawned(_handle(planned, abort, time(), "ready", ""), stop, started.maybe_started)


def _started(planned: Plan, client: Client) -> Started:
    try:
        return client.start(planned)
    except WorkerError:
        raise
    except Exception:
        client.note(_maybe_running(planned))
        raise


def _maybe_running(planned: Plan) -> Diagnostic:
    message = f"a start got no response: an agent may be running in session {planned.session}"
    return Diagnostic(Code.ROLLED_BACK, message, hint="spawn it again for a handle")


def _own_abort(planned: Plan) -> str:
    """Return the abort URL of this session, unless the spec names another."""
    return routes.abort(planned.base, planned.session) if planned.abort_is_default else planned.abort


def roll_back(spawned: Spawned, prepared: PreparedSpawn, client: Client) -> None:
    """Stop the agent whose handle could not be delivered, since nobody else knows about it."""
    if not spawned.stop:
        if spawned.maybe_started:
            client.note(_maybe_running(prepared.plan))
        return
    try:
        client.stop(spawned.stop, with_token=True)
    except (WorkerError, NoRouteError) as error:
        client.note(
            Diagnostic(Code.ROLLED_BACK, f"its handle was not delivered, and the agent could not be stopped: {error}")
        )
        return
    client.note(Diagnostic(Code.ROLLED_BACK, "the agent was stopped, since its handle could not be delivered"))


def _handle(planned: Plan, abort: str, time: float, status: str, message: str) -> WorkerHandle:
    return HANDLES[planned.version](
        spec_version=planned.version,  # type: ignore[arg-type]  # the struct is the one of this version
        name=planned.name,
        agent=planned.agent,
        session=planned.session,
        created_at=datetime.fromtimestamp(time, UTC),
        executor=EXECUTOR,
        id=planned.base,
        bus=planned.bus,
        abort=AbortBlock(kind=ABORT_KIND, target=abort) if abort else msgspec.UNSET,
        status=status,
        message=message or msgspec.UNSET,
    )
