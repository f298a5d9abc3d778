"""Stands in for ctypes in the interpreter that runs the freezer: libffi is not worth building for these few questions.

The freezer asks for the sizes of long and long long, declares structures that it fills on other systems only, and
probes for performance counters, which it then does without.
"""


class Eight:
    """Any of the C types: the sizes that are asked for are all of 8 bytes."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


Structure = Union = Eight


def __getattr__(name: str) -> type[Eight]:
    if not name.startswith("c_"):
        raise AttributeError(name)
    return Eight


def sizeof(_: type[Eight]) -> int:
    """Return the size of a long, a long long or a pointer, in bytes."""
    return 8


def byref(value: Eight) -> Eight:
    """Return what is only passed on."""
    return value


class _Refused:
    def __call__(self, *_: object) -> int:
        return -1


class CDLL:
    """A C library in which every system call fails."""

    def __init__(self, *_: object, **__: object) -> None:
        self.syscall = _Refused()
