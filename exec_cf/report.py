"""Writes diagnostics, one per line: as text, or as JSON for programs."""

from collections.abc import Callable

import msgspec

from exec_cf.display import printable
from exec_cf.errors import Code, Diagnostic, Refused, dotted
from exec_cf.usage import PROGRAM

MAX_SHOWN = 100
"""How many problems of one call are printed."""


class Reporter:
    """Writes each diagnostic as it happens."""

    def __init__(self, write: Callable[[str], None], as_json: bool) -> None:
        self._write = write
        self._as_json = as_json

    def __call__(self, problem: Diagnostic) -> None:
        """Write *problem* as one line."""
        self._write(_json(problem) if self._as_json else f"{PROGRAM}: {problem}")

    def refusal(self, refused: Refused) -> None:
        """Write every problem of *refused*, and a summary on the last line when there are several."""
        for problem in refused.problems[:MAX_SHOWN]:
            self(problem)
        count = len(refused.problems)
        if count > 1:
            shown = f", the first {MAX_SHOWN} are shown" if count > MAX_SHOWN else ""
            self(Diagnostic(Code.SUMMARY, f"{count} problems{shown}; nothing was done"))


def _json(problem: Diagnostic) -> str:
    fields = {
        "code": problem.code.slug,
        "message": printable(problem.message),
        "path": dotted(problem.path),
        "line": problem.line or None,
        "column": problem.column or None,
        "hint": printable(problem.hint),
    }
    return msgspec.json.encode(fields).decode()
