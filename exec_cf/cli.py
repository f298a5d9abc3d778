"""The command line: arguments in, one exit code out, everything else through the `World`.

Tests hand in a world of their own and start no process. Imports stand inside the functions, so that `--version` and
`--help` load nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exec_cf.usage import PRINTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from exec_cf.errors import Problem, Refused
    from exec_cf.http import Answer, Request


class World(Protocol):
    """Everything outside that the program touches."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables."""
        ...

    def exchange(self, request: Request) -> Answer:
        """Return the answer to *request*, or raise `exec_cf.http.Failed`."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...

    def now(self) -> datetime:
        """Return the time, aware of its zone."""
        ...

    def read(self, most: int) -> bytes:
        """Return stdin to its end, or one byte more than *most*; raise `OSError`."""
        ...

    def writable(self) -> None:
        """Raise `OSError` when it is known beforehand that nothing can be written to stdout."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of *data* to stdout; raise `OSError` and leave as little as possible there."""
        ...

    def error(self, text: str) -> None:
        """Write one line to stderr, without fail."""
        ...


def run(arguments: Sequence[str], world: World) -> int:
    """Run the program and return its exit code (`exec_cf.errors.Exit`); never raises."""
    if arguments and all(argument in PRINTED for argument in arguments):
        return _print(PRINTED[arguments[0]], world)
    from exec_cf.errors import Refused

    try:
        return _spawn(arguments, world)
    except Refused as refused:
        return _refuse(refused, world)
    except Exception as error:  # noqa: BLE001  a user sees one line, never a traceback
        return _refuse(Refused([_internal(error)]), world)


def _print(text: str, world: World) -> int:
    try:
        world.write(text.encode())
    except OSError as error:
        return _refuse(_lost(error), world)
    return 0


def _spawn(arguments: Sequence[str], world: World) -> int:
    from exec_cf import document, spawn, worker
    from exec_cf.errors import Code, Problem, Refused
    from exec_cf.text import shown

    for argument in arguments:
        if argument not in PRINTED:
            hint = "see --help; the SpawnSpec goes to stdin"
            raise Refused([Problem(Code.ARGUMENT, f"unknown argument {shown(argument)}", hint=hint)])
    line = worker.Line(world.exchange, world.sleep, world.error)
    order = spawn.prepare(_stdin(world, document.LIMITS.size), world.environ, line.note)
    try:
        world.writable()
        spawned = spawn.spawn(order, line, world.now)
    except OSError as error:
        raise _lost(error) from None
    try:
        world.write(spawned.handle)
    except OSError as error:
        spawn.take_back(spawned, order, line)
        raise _lost(error) from None
    return 0


def _stdin(world: World, most: int) -> bytes:
    from exec_cf.errors import Code, Problem, Refused

    try:
        return world.read(most)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refused([Problem(Code.STDIN, f"stdin cannot be read: {reason}", hint="pipe a SpawnSpec in")]) from None


def _lost(error: OSError) -> Refused:
    from exec_cf.errors import Code, Problem, Refused

    reason = (error.strerror or str(error)).lower()
    return Refused([Problem(Code.STDOUT, f"stdout cannot be written: {reason}", hint="nothing was delivered")])


def _internal(error: Exception) -> Problem:
    from exec_cf.errors import Code, Problem

    message = f"the program failed: {type(error).__name__}: {error}"
    return Problem(Code.INTERNAL, message, hint="please report this with the input that led to it")


def _refuse(refused: Refused, world: World) -> int:
    for problem in refused.problems:
        world.error(str(problem))
    if len(refused.problems) > 1:
        world.error(f"{len(refused.problems)} problems; no handle was printed")
    return refused.exit_code
