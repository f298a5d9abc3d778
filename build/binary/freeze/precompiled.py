# mypy: ignore-errors
"""Regular expressions that were compiled when the program was frozen (`record_patterns.py`)."""

import _sre

from patterns import TABLE


def compiled(pattern: object, flags: int) -> object:
    """Return the compiled expression if the table has it; *pattern* may also be a parsed one, which it never has."""
    known = TABLE.get((pattern, flags)) if type(pattern) in {str, bytes} else None
    if known is None:
        return None
    final, code, groups, index, names = known
    return _sre.compile(pattern, final, memoryview(code).cast("I").tolist(), groups, index, names)
