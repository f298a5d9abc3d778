"""The Worker bundle inside this program."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from zlib import decompress

import msgspec

from exec_cf.errors import Code, Diagnostic, Refused

MAIN_MODULE = "index.js"


class Migration(msgspec.Struct, frozen=True):
    """One step in the history of the Worker's classes."""

    tag: str
    new_sqlite_classes: tuple[str, ...] = ()


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The Worker's code, and its configuration from `wrangler.toml`."""

    version: str
    code: bytes
    name: str
    """The Worker's default name."""
    compatibility_date: str
    compatibility_flags: tuple[str, ...]
    namespaces: Mapping[str, str]
    """Durable Object classes by binding."""
    migrations: tuple[Migration, ...]
    observability: Mapping[str, Any]
    crons: tuple[str, ...]

    @property
    def own_bindings(self) -> Mapping[str, str]:
        """The Durable Object bindings that every release of this Worker has; they identify it."""
        first = set(self.migrations[0].new_sqlite_classes)
        return {name: kind for name, kind in self.namespaces.items() if kind in first}


def load() -> Bundle:
    """Return the bundle. Raises `Refused` if this build has none, or it is damaged."""
    try:
        from exec_cf import _bundle  # noqa: PLC0415  300 kB that stay out of the snapshot; absent from a bare clone
    except ImportError:
        message = "this build contains no Worker"
        raise Refused([Diagnostic(Code.INTERNAL, message, hint="run `make worker`, or use a release")]) from None
    code = decompress(_bundle.COMPRESSED)
    if sha256(code).hexdigest() != _bundle.SHA256:
        raise Refused([Diagnostic(Code.INTERNAL, "the Worker in this program is damaged", hint="download it again")])
    return msgspec.convert({**_bundle.SETTINGS, "version": _bundle.VERSION, "code": code}, Bundle)
