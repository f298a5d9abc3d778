"""Renders a handle, checks it by reading it back, and writes it to stdout in full or not at all."""

from typing import NoReturn

from exec_cf import handles
from exec_cf.document import read
from exec_cf.encode import encoded
from exec_cf.errors import Code, Diagnostic, Refused, os_reason
from exec_cf.messages import WorkerHandle
from exec_cf.world import World


def check_writable(world: World) -> None:
    """Raise `Refused` if stdout is not writable, so that no agent is started whose handle would be lost."""
    try:
        world.check_writable()
    except OSError as error:
        raise write_error(error) from None


def write(data: bytes, world: World) -> None:
    """Write *data* to stdout. Raises `Refused`."""
    try:
        world.write(data)
    except OSError as error:
        raise write_error(error) from None


def rendered(handle: WorkerHandle, as_json: bool) -> bytes:
    """Return *handle* as a document that the verbs accept.

    Raises `Refused` with an internal error if it reads back differently, which no user input should be able to cause.
    """
    data = encoded(handle, as_json=as_json)
    try:
        back, _ = handles.parse(read(data))
    except Refused as refused:
        _fail(str(refused))
    if encoded(back, as_json=as_json) != data:
        _fail("it reads back as a different handle")
    return data


def _fail(reason: str) -> NoReturn:
    message = f"the handle would not be valid: {reason}"
    raise Refused([Diagnostic(Code.INTERNAL, message, hint="please report this")]) from None


def write_error(error: OSError) -> Refused:
    """Return the refusal for a failed write to stdout."""
    return Refused(
        [Diagnostic(Code.STDOUT, f"stdout cannot be written: {os_reason(error)}", hint="nothing was delivered")]
    )
