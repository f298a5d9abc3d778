# mypy: ignore-errors
# ruff: noqa: N802  the freezer names the hooks
"""What the freezer is told about this program: which modules it needs, and which of them become C."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

from nuitka.plugins.PluginBase import NuitkaPluginBase
from nuitka.utils.ModuleNames import ModuleName

HERE = Path(__file__).parent

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

# Module: what is there, and what is to be there instead. Each must match once, so that a new release of a library stops
# the build instead of leaving a change out.
CHANGES = {
    # The trust store is in the program, so that there is no file to name.
    "httpcore._ssl": ("load_verify_locations(certifi.where())", "load_verify_locations(cadata=certifi.contents())"),
    "httpx._config": ("cafile=certifi.where()", "cadata=certifi.contents()"),
    # On macOS the proxies of the system's settings would be read through a framework, which the program is not linked
    # with: there too, the variables alone count.
    "urllib.request": ("if sys.platform == 'darwin':\n    from _scproxy", "if False:\n    from _scproxy"),
}


def without_lines(code: CodeType) -> CodeType:
    """Return *code* without the lines of its instructions, which only a traceback shows: 1 MB of a snapshot."""
    inner = tuple(without_lines(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_consts=inner, co_linetable=b"")


class NuitkaPluginExecutor(NuitkaPluginBase):
    """Keeps the frozen program small and its start short."""

    plugin_name = "executor"
    plugin_desc = "What this program needs of the standard library and of its dependencies."

    def __init__(self) -> None:
        self.unseen = {"certifi.core", *CHANGES}

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

    def onModuleSourceCode(self, module_name: ModuleName, source_filename: str, source_code: str) -> str:
        """Make the `CHANGES`, and put the trust store into the module that knows its place."""
        self.unseen.discard(str(module_name))
        if module_name == "certifi.core":
            store = Path(source_filename).with_name("cacert.pem").read_text(encoding="utf-8")
            return CERTIFI_CORE.format(store="".join(CERTIFICATE.findall(store)))
        old, new = CHANGES.get(str(module_name), ("", ""))
        if old and source_code.count(old) != 1:
            self.sysexit(f"{module_name} holds {source_code.count(old)} times, instead of once: {old!r}")
        return source_code.replace(old, new) if old else source_code

    def onFrozenModuleBytecode(self, module_name: ModuleName, is_package: bool, bytecode: CodeType) -> CodeType:  # noqa: ARG002
        """Leave out what the program never prints."""
        return without_lines(bytecode)

    def onFinalResult(self, filename: str) -> None:  # noqa: ARG002
        """Stop the build when a module that was to be changed was not frozen at all."""
        if self.unseen:
            self.sysexit(f"Not frozen, so not changed: {', '.join(sorted(self.unseen))}")

    def getExtraCodeFiles(self) -> dict[str, str]:
        """Link what replaces functions of the freezer and of the C library, and what they leave undone."""
        names = ["freeze/malloc.c", "freeze/relro.c", "freeze/wrap.c"]
        if os.environ["SNAPSHOT"] == "1":
            names += ["snapshot/deterministic.c", "snapshot/dump.c", "snapshot/restore.c"]
        return {Path(name).name: (HERE.parent / name).read_text() for name in names}
