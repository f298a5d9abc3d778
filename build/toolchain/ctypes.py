"""Stands in for ctypes in the interpreter that runs the freezer: libffi is not worth building for these few questions.

The freezer asks for the size of a pointer and probes for functions of the C library that it can do without.
"""

from __future__ import annotations


class c_void_p:  # noqa: N801, D101
    pass


def sizeof(_: type) -> int:
    """Return the size of a pointer, in bytes."""
    return 8


def __getattr__(name: str) -> object:
    raise ImportError(f"ctypes.{name} is not in this interpreter")
