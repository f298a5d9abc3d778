"""The main job: a SpawnSpec's bytes to a WorkerHandle's bytes."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from exec_cf import document, worker
from exec_cf.decode import decode
from exec_cf.encode import render
from exec_cf.errors import Code, Problem, Refused
from exec_cf.messages import EXECUTOR, AbortBlock, WorkerHandle
from exec_cf.plan import Plan, plan
from exec_cf.settings import Settings, read

PENDING_MESSAGE = "the Worker was not called (CF_WORKER_HEALTHCHECK is off); whether the agent runs is open"


class Order(msgspec.Struct, frozen=True):
    """A spawn that is known to be good, and not yet begun."""

    plan: Plan
    settings: Settings


class Spawned(msgspec.Struct, frozen=True):
    """A handle's bytes, and where to stop the agent that was started for it; empty when none was."""

    handle: bytes
    stop: str = ""


def prepare(data: bytes, environ: Mapping[str, str], note: Callable[[str], None]) -> Order:
    """Return the order that the SpawnSpec in *data* makes under *environ*; *note* gets what the user should know.

    Raises `Refused` with every problem of the spec and of the environment.
    """
    settings, notes, problems = read(environ)
    try:
        planned, more = plan(document.read(data), settings, problems)
    except Refused as refused:
        raise Refused({*problems, *refused.problems}) from None
    for text in (*notes, *more):
        note(text)
    return Order(planned, settings)


def spawn(order: Order, line: worker.Line, now: Callable[[], datetime]) -> Spawned:
    """Start the agent and return its handle, rendered and checked.

    A Worker that cannot be reached or refuses yields a handle with `status: failed`, and a line that says why.
    """
    planned, settings = order.plan, order.settings
    if not settings.healthcheck:
        return Spawned(_handle(planned, planned.abort, now(), "pending", PENDING_MESSAGE))
    try:
        worker.probe(planned, settings, line)
        started = worker.start(planned, settings, line) if settings.bootstrap else worker.Started()
    except worker.Unavailable as cause:
        line.note(f"{planned.name} failed: {cause}")
        return Spawned(_handle(planned, planned.abort, now(), "failed", str(cause)))
    abort = started.abort if planned.abort_is_default and started.abort else planned.abort
    return Spawned(_handle(planned, abort, now(), "ready", ""), started.abort if started.created else "")


def take_back(spawned: Spawned, order: Order, line: worker.Line) -> None:
    """Stop the agent again whose handle could not be delivered: nobody else knows of it."""
    if spawned.stop:
        worker.stop(spawned.stop, order.settings, line)


def _handle(planned: Plan, abort: str, created_at: datetime, status: str, message: str) -> bytes:
    handle = WorkerHandle(
        name=planned.name,
        agent=planned.agent,
        session=planned.session,
        created_at=created_at,
        executor=EXECUTOR,
        id=planned.base,
        bus=planned.bus,
        abort=AbortBlock(kind="http-post", target=abort) if abort else msgspec.UNSET,
        status=status,
        message=message or msgspec.UNSET,
    )
    return checked(handle)


def checked(handle: WorkerHandle) -> bytes:
    """Return *handle* rendered, after reading it back: what leaves here is a handle, whole and as meant.

    Raises `Refused` with an internal problem otherwise, since no document of a user's can cause it.
    """
    data = render(handle)
    limits = msgspec.structs.replace(document.LIMITS, size=len(data))  # a long session stands five times in a handle
    read_back, problems = decode(document.read(data, limits), WorkerHandle)
    if read_back is None or render(read_back) != data:
        said = "; ".join(map(str, problems)) or "it reads back as another"
        raise Refused([Problem(Code.INTERNAL, f"the handle is not one: {said}", hint="please report this")])
    return data
