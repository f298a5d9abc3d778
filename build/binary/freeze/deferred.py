"""Imports that wait for the first use; `transforms.py` puts them in the place of imports at the top of a module."""

import importlib
import sys
from collections.abc import Callable


class Module:
    """Stands for a module, or for the package above it, until an attribute is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        __import__(self._name)
        return getattr(sys.modules[self._name.partition(".")[0]], attribute)


def function(module: str, name: str) -> Callable[..., object]:
    """Return a function that calls *name* of *module*."""

    def call(*arguments: object, **named: object) -> object:
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    return call
