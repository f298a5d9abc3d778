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


def spawn(
    data: bytes,
    environ: Mapping[str, str],
    line: worker.Line,
    now: Callable[[], datetime],
    before_calling: Callable[[], None],
) -> bytes:
    """Return the handle for the SpawnSpec in *data*, rendered and checked.

    *before_calling* runs once the spec is known to be good and before anything is started for it. What the user
    should know on the way goes to *line*. A Worker that cannot be reached or refuses yields a handle with
    `status: failed`; raises `Refused` when the spec or the environment is at fault.
    """
    settings, notes, problems = read(environ)
    planned, more = _planned(data, settings, problems)
    for note in (*notes, *more):
        line.note(note)
    before_calling()
    return checked(_handle(planned, settings, line, now))


def _planned(data: bytes, settings: Settings, problems: list[Problem]) -> tuple[Plan, list[str]]:
    try:
        return plan(document.read(data), settings, problems)
    except Refused as refused:
        raise Refused({*problems, *refused.problems}) from None


def _handle(planned: Plan, settings: Settings, line: worker.Line, now: Callable[[], datetime]) -> WorkerHandle:
    abort = planned.abort
    if not settings.healthcheck:
        return _made(planned, abort, now(), "pending", PENDING_MESSAGE)
    try:
        worker.probe(planned, settings, line)
        started = worker.start(planned, settings, line) if settings.bootstrap else worker.Started()
    except worker.Unavailable as cause:
        return _made(planned, abort, now(), "failed", str(cause))
    if planned.abort_is_default and started.abort:
        abort = started.abort
    return _made(planned, abort, now(), "ready", "")


def _made(planned: Plan, abort: str, created_at: datetime, status: str, message: str) -> WorkerHandle:
    return WorkerHandle(
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


def checked(handle: WorkerHandle) -> bytes:
    """Return *handle* rendered, after reading it back: what leaves here is a handle, whole and as meant.

    Raises `Refused` with an internal problem otherwise, since no document of a user's can cause it.
    """
    data = render(handle)
    read_back, problems = decode(document.read(data), WorkerHandle)
    if read_back is None or render(read_back) != data:
        said = "; ".join(map(str, problems)) or "it reads back as another"
        raise Refused([Problem(Code.INTERNAL, f"the handle is not one: {said}", hint="please report this")])
    return data
