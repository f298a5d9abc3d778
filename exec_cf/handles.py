"""Parses a WorkerHandle that a verb is given, as strictly as a spec, since it is untrusted input."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from exec_cf import routes, rules, subjects, urls
from exec_cf.decode import decode
from exec_cf.document import Document
from exec_cf.errors import Code, Diagnostic, InvalidValue, Path, Refused
from exec_cf.messages import EXECUTOR, HANDLES, BusBlock, WorkerHandle, version_of
from exec_cf.plan import Plan

ABORT_KIND = "http-post"
CONFLICT = "conflict: "
"""Prefix of the message of a failed handle whose session belongs to another agent."""

STATUSES = ("pending", "ready", "failed")


def parse(document: Document) -> tuple[WorkerHandle, Plan]:
    """Return the handle in *document*, and its plan without the labels and env, which a handle does not contain.

    Raises `Refused` with everything in the handle that this program would not have printed, so that no request goes to
    a URL that it would not have chosen itself.
    """
    handle, problems = decode(document, HANDLES[version_of(document.value)])
    problems = [*document.problems, *problems]
    fields = document.value if isinstance(document.value, dict) else {}
    if fields.get("executor", EXECUTOR) != EXECUTOR:
        raise Refused([*problems, document.locate(_foreign(("executor",), f"this program only handles {EXECUTOR}"))])
    if handle is None or problems:
        raise Refused(problems)
    found = [document.locate(problem) for problem in _strange(handle)]
    if found:
        raise Refused(found)
    return handle, _plan(handle)


def is_conflict(handle: WorkerHandle) -> bool:
    """Return whether the session belongs to another agent, so that its state says nothing about *handle*."""
    message = handle.message or ""
    found = message.startswith(CONFLICT) or _EARLIER_CONFLICT.fullmatch(message)
    return handle.status == "failed" and not handle.abort and bool(found)


_EARLIER_CONFLICT = re.compile(r"start: the session runs already with other settings \(HTTP 409\)(: .*)?", re.DOTALL)


def _strange(handle: WorkerHandle) -> list[Diagnostic]:
    problems = list(rules.broken_name({"name": handle.name}))
    if handle.status not in STATUSES:
        problems.append(_foreign(("status",), f"is not one of {', '.join(STATUSES)}"))
    bus = handle.bus
    if bus is msgspec.UNSET or bus != subjects.bus(_owner(bus), handle.session or handle.name):
        problems.append(_foreign(("bus",), "are not the subjects of this session"))
    problems += _invalid(("session",), lambda: subjects.check_printed_token(handle.session or handle.name))
    problems += _invalid(("bus", "prompt"), lambda: subjects.check_printed_token(_owner(bus)))
    problems += _invalid(("created_at",), lambda: _in_range(handle.created_at))
    base = handle.id or ""
    problems += _invalid(("id",), lambda: _same(base, urls.printed_base_url(base)))
    if handle.abort:
        problems += _strange_abort(handle)
    return problems


def _strange_abort(handle: WorkerHandle) -> list[Diagnostic]:
    abort = handle.abort
    if abort is msgspec.UNSET:
        return []
    if abort.kind != ABORT_KIND:
        return [_foreign(("abort", "kind"), f"is not {ABORT_KIND}")]
    if not urls.is_http_url(abort.target):
        return [_foreign(("abort", "target"), "is not an http(s) URL")]
    return _invalid(("abort", "target"), lambda: urls.target(abort.target))


def _in_range(moment: datetime) -> None:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise InvalidValue("is out of range", "pass the handle exactly as it was printed") from None


def _same(text: str, derived: str) -> None:
    if text != derived:
        raise InvalidValue("is not in the form that this program prints", "pass the handle exactly as it was printed")


def _invalid(path: Path, check: Callable[[], object]) -> list[Diagnostic]:
    try:
        check()
    except InvalidValue as invalid:
        return [Diagnostic(Code.FOREIGN, invalid.message, path, invalid.hint)]
    return []


def _foreign(path: Path, message: str) -> Diagnostic:
    return Diagnostic(Code.FOREIGN, message, path, "pass a handle that this program printed")


def _owner(bus: BusBlock | msgspec.UnsetType) -> str:
    return subjects.owner_of(bus.prompt or "") if bus else ""


def _plan(handle: WorkerHandle) -> Plan:
    session = handle.session or handle.name
    owner = _owner(handle.bus)
    base = handle.id or ""
    abort = handle.abort.target if handle.abort else ""
    return Plan(
        version=version_of({"spec_version": handle.spec_version}),
        name=handle.name,
        agent=handle.agent,
        session=session,
        owner=owner,
        base=base,
        bus=subjects.bus(owner, session),
        abort=abort,
        abort_is_default=routes.aborts_all(base, abort),
        description="",
        labels={},
        env={},
    )
