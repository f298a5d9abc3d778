"""Where a copy of the program starts that tells on stderr what its imports cost, a line a package: `make bench`."""

import builtins
import gc
import os
import sys
from time import perf_counter_ns

gc.disable()

began = perf_counter_ns()
own: dict[str, int] = {}
within = [0]
"""Nanoseconds spent in the imports inside each import that is under way."""

load = builtins.__import__
leave = os._exit


def measured(name: str, within_globals: object = None, *rest: object) -> object:
    """Import *name* and note how long its own code ran."""
    relative = len(rest) > 2 and rest[2]
    package = within_globals.get("__package__") if relative and isinstance(within_globals, dict) else name
    within.append(0)
    start = perf_counter_ns()
    try:
        return load(name, within_globals, *rest)  # type: ignore[arg-type]
    finally:
        spent = perf_counter_ns() - start
        top = str(package or "exec_cf").partition(".")[0]
        own[top] = own.get(top, 0) + spent - within.pop()
        within[-1] += spent


def tell_and_leave(code: int) -> None:
    """Write the figures in microseconds, and end the process as it would have ended."""
    for name, spent in own.items():
        sys.stderr.write(f"import {name} {spent // 1000}\n")
    sys.stderr.write(f"total * {(perf_counter_ns() - began) // 1000}\n")
    sys.stderr.flush()
    leave(code)


builtins.__import__ = measured  # type: ignore[assignment]
os._exit = tell_and_leave  # type: ignore[assignment]

from exec_cf.__main__ import main  # noqa: E402  after the lines above, which measure it

main()
