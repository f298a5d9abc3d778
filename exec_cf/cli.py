"""The command line: arguments in, one exit code out, everything else through the `World`."""

from __future__ import annotations

from exec_cf.usage import PRINTED

TYPE_CHECKING = False  # importing typing would take longer than the rest of `--version`
if TYPE_CHECKING:
    from collections.abc import Sequence

    from exec_cf.world import World


def run(arguments: Sequence[str], world: World) -> int:
    """Run the program and return its exit code (`exec_cf.errors.Exit`); never raises."""
    lost = None
    if arguments and all(argument in PRINTED for argument in arguments):
        try:
            world.write(PRINTED[arguments[0]].encode())
        except OSError as error:
            lost = error
        else:
            return 0
    from exec_cf import commands  # noqa: PLC0415  msgspec, PyYAML and the rest of the program: four fifths of what `--version` takes

    return commands.report_lost(lost, world) if lost else commands.run(arguments, world)
