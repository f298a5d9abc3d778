# mypy: ignore-errors
# ruff: noqa: N802  the freezer names the hooks
"""What the freezer is told about this program: which modules it needs, and which of them become C."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from nuitka.plugins.PluginBase import NuitkaPluginBase
from nuitka.utils.ModuleNames import ModuleName

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from transforms import CHANGED, needed_by, transformed  # noqa: E402

# What the interpreter imports before it runs any program. The freezer would take in the whole standard library.
EARLY = (
    "_collections_abc", "abc", "codecs", "encodings", "encodings.aliases", "encodings.ascii", "encodings.latin_1",
    "encodings.utf_8", "genericpath", "importlib", "importlib._bootstrap", "importlib._bootstrap_external",
    "importlib.machinery", "io", "os", "posixpath", "stat", "types", "warnings",
)  # fmt: skip

# The comments between the certificates are no text that a trust store may hold.
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n")
CERTIFI_CORE = '''\
_STORE = """{store}"""


def contents():
    return _STORE


def where():
    raise FileNotFoundError("the trust store is inside the program")
'''


class NuitkaPluginExecutor(NuitkaPluginBase):
    """Keeps the frozen program small and its start short."""

    plugin_name = "executor"
    plugin_desc = "What this program needs of the standard library and of its dependencies."

    def __init__(self) -> None:
        self.unseen = set(CHANGED)

    @staticmethod
    def isAlwaysEnabled() -> bool:
        """Load without a further option."""
        return True

    def onModuleInitialSet(self) -> Iterable[object]:
        """Declare the built-in modules inside packages, which the freezer takes for missing extension modules."""
        from nuitka.HardImportRegistry import addModuleDynamicBuiltinHard  # noqa: PLC0415  options are read now

        for name in sys.builtin_module_names:
            if "." in name:
                addModuleDynamicBuiltinHard(ModuleName(name))
        return ()

    def onCompilationStartChecks(self) -> None:
        """Set what Nuitka keeps in modules of its own; a later hook would be too late."""
        from nuitka.freezer import ImportDetection, Standalone  # noqa: PLC0415  likewise

        ImportDetection._early_modules_names = tuple(map(ModuleName, EARLY))
        ImportDetection._stdlib_modules_names = ()
        if "MACOS_CC" in os.environ:
            # A file for macOS has no such header, and is signed already.
            Standalone.isRPathUsingPlatform = lambda: False

    def decideCompilation(self, module_name: ModuleName) -> str:  # noqa: ARG002
        """Leave all modules as bytecode: as C, our own alone are 1.3 MB, no faster, and take two minutes to build."""
        return "bytecode"

    def getImplicitImports(self, module: object) -> Iterator[str]:
        """Name the modules that are imported where the freezer cannot see it."""
        yield from needed_by(str(module.getFullName()))

    def onModuleSourceCode(self, module_name: ModuleName, source_filename: str, source_code: str) -> str:
        """Apply the changes of `transforms.py`, and put the trust store into the module that knows its place."""
        self.unseen.discard(str(module_name))
        if module_name == "certifi.core":
            store = Path(source_filename).with_name("cacert.pem").read_text(encoding="utf-8")
            return CERTIFI_CORE.format(store="".join(CERTIFICATE.findall(store)))
        return transformed(str(module_name), source_code)

    def onFinalResult(self, filename: str) -> None:  # noqa: ARG002
        """Stop the build when a module that was to be changed was not frozen at all."""
        if self.unseen:
            self.sysexit(f"Not frozen, so not changed: {', '.join(sorted(self.unseen))}")

    def getExtraCodeFiles(self) -> dict[str, str]:
        """Link what replaces functions of the freezer and of the C library, and what they leave undone."""
        return {name: (HERE / name).read_text() for name in ("malloc.c", "relro.c", "wrap.c")}
