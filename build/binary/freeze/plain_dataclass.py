"""The decorator `dataclass` as h11 uses it; the standard one compiles source text for each method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def dataclass(*, frozen: bool, init: bool = True) -> Callable[[type], type]:
    """Return a decorator for frozen classes; a class that wants an `__init__` must have no fields."""

    def made(cls: type) -> type:
        names = tuple(cls.__dict__.get("__annotations__", ()))  # noqa: RUF063  inspect is what this avoids
        if not frozen or (init and names):
            raise TypeError(f"{cls.__qualname__} is no class that this decorator serves")

        def values(self: Any) -> tuple[object, ...]:
            return tuple(getattr(self, name) for name in names)

        def equal(self: Any, other: Any) -> bool:
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        def shown(self: Any) -> str:
            fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{self.__class__.__qualname__}({fields})"

        def refuse_to_set(_: Any, name: str, __: object) -> None:
            raise AttributeError(f"cannot assign to field {name!r}")

        def refuse_to_delete(_: Any, name: str) -> None:
            raise AttributeError(f"cannot delete field {name!r}")

        methods = {
            "__eq__": equal,
            "__hash__": lambda self: hash(values(self)),
            "__repr__": shown,
            "__setattr__": refuse_to_set,
            "__delattr__": refuse_to_delete,
            "__match_args__": names,
        }
        for name, method in methods.items():
            if name not in cls.__dict__:
                setattr(cls, name, method)
        return cls

    return made
