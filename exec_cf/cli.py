"""The command line: arguments in, one exit code out, everything else through the `World`.

Tests hand in a world of their own and start no process.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from exec_cf._version import version
from exec_cf.errors import Code, Exit, Problem, Refused
from exec_cf.http import Exchange
from exec_cf.text import shown

PROGRAM = "orch-executor-cf-worker"


class Output(Protocol):
    """Where the handle goes: checked before the Worker is called, then written once and whole."""

    def ready(self) -> None:
        """Raise `Refused` when nothing can be written, as far as that is known beforehand."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of *data*; raise `Refused` when that fails, leaving as little as possible behind."""
        ...


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Everything outside that the program touches."""

    environ: Mapping[str, str]
    read: Callable[[int], bytes]
    """Read stdin to its end, or one byte more than the given number; raises `OSError`."""
    output: Output
    error: Callable[[str], None]
    """Write one line to stderr, without fail."""
    exchange: Exchange
    sleep: Callable[[float], None]
    now: Callable[[], datetime]


HELP = f"""\
{PROGRAM}: the Cloudflare Worker backend of orch

Reads a SpawnSpec (YAML) on stdin, starts an open-agent on the Worker that it
names, and prints the agent's WorkerHandle (YAML) on stdout.

  {PROGRAM} < spec.yaml

  -h, --help       print this help
  -V, --version    print the version

Exit: 0 a handle was printed, also one with `status: failed`
      64 the call or its environment is at fault
      65 the SpawnSpec is at fault
      70 no handle could be delivered

CF_WORKER_URL names the Worker, CF_WORKER_TOKEN opens it. All variables, the
contract and examples: the README.
"""


def run(arguments: Sequence[str], world: World) -> int:
    """Run the program and return its exit code; never raises."""
    try:
        return _run(arguments, world)
    except Refused as refused:
        return _refuse(refused, world)
    except Exception as error:  # noqa: BLE001  a user sees one line, never a traceback
        return _refuse(Refused([_internal(error)]), world)


def _run(arguments: Sequence[str], world: World) -> int:
    for argument in arguments:
        if argument not in _PRINTED:
            raise Refused([_unknown(argument)])
    if arguments:
        world.output.write(_PRINTED[arguments[0]].encode())
        return Exit.OK
    from exec_cf import document, spawn, worker  # --version and --help need none of it

    data = _stdin(world, document.LIMITS.size)
    line = worker.Line(world.exchange, world.sleep, world.error)
    handle = spawn.spawn(data, world.environ, line, world.now, world.output.ready)
    world.output.write(handle)
    return Exit.OK


_VERSION = f"{PROGRAM} {version}\n"
_PRINTED: Mapping[str, str] = {"-h": HELP, "--help": HELP, "-V": _VERSION, "--version": _VERSION}


def _unknown(argument: str) -> Problem:
    return Problem(Code.ARGUMENT, f"unknown argument {shown(argument)}", hint="see --help; the SpawnSpec goes to stdin")


def _stdin(world: World, most: int) -> bytes:
    try:
        return world.read(most)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refused([Problem(Code.STDIN, f"stdin cannot be read: {reason}", hint="pipe a SpawnSpec in")]) from None


def _internal(error: Exception) -> Problem:
    message = f"the program failed: {type(error).__name__}: {error}"
    return Problem(Code.INTERNAL, message, hint="please report this with the input that led to it")


def _refuse(refused: Refused, world: World) -> int:
    for problem in refused.problems:
        world.error(str(problem))
    count = len(refused.problems)
    if count > 1:
        world.error(f"{count} problems; no handle was printed")
    return refused.exit_code
