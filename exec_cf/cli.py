"""The entry point behind the process: arguments in, exit code out, everything else through the `World`."""

from __future__ import annotations

from exec_cf.usage import PRINTED, PROGRAM

TYPE_CHECKING = False  # importing typing would take longer than the rest of `--version`
if TYPE_CHECKING:
    from collections.abc import Sequence

    from exec_cf.world import World

_FAILED = 70
"""`exec_cf.errors.Exit.RUNTIME`, which cannot be loaded either."""


def run(arguments: Sequence[str], world: World) -> int:
    """Run the program and return its exit code (`exec_cf.errors.Exit`); never raises."""
    write_error = None
    if arguments and all(argument in PRINTED for argument in arguments):
        try:
            world.write(PRINTED[arguments[0]].encode())
        except OSError as error:
            write_error = error
        else:
            return 0
    try:
        from exec_cf import commands  # noqa: PLC0415  loads msgspec, PyYAML and most of the program, which would make `--version` take five times as long
    except Exception as error:  # noqa: BLE001  a broken library may raise anything
        reason = " ".join(f"{type(error).__name__} {error}".split())
        world.error(f"{PROGRAM}: the program cannot be loaded: {reason}; install it again, or give it more memory")
        return _FAILED
    return commands.report_write_error(write_error, world) if write_error else commands.run(arguments, world)
