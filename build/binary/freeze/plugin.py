# mypy: ignore-errors
# ruff: noqa: N802  the freezer names the hooks
"""The freezer's plugin for this program: which modules it needs, and how they are changed."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

from nuitka.plugins.PluginBase import NuitkaPluginBase
from nuitka.utils.ModuleNames import ModuleName

HERE = Path(__file__).parent

# Modules that the interpreter imports before any program. The freezer would include the whole standard library.
EARLY = (
    "_collections_abc", "abc", "codecs", "encodings", "encodings.aliases", "encodings.ascii", "encodings.latin_1",
    "encodings.utf_8", "genericpath", "importlib", "importlib._bootstrap", "importlib._bootstrap_external",
    "importlib.machinery", "io", "os", "posixpath", "stat", "types", "warnings",
)  # fmt: skip

# A trust store may not contain the comments between the certificates.
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n")
CERTIFI_CORE = '''\
_STORE = """{store}"""


def contents():
    return _STORE


def where():
    raise FileNotFoundError("the trust store is inside the program")
'''

# By module: a text and its replacement. Each text must match exactly once, so that a new release of a library breaks
# the build instead of silently dropping a change.
CHANGES = {
    # The trust store is inside the program, so there is no file.
    "httpcore._ssl": ("load_verify_locations(certifi.where())", "load_verify_locations(cadata=certifi.contents())"),
    "httpx._config": ("cafile=certifi.where()", "cadata=certifi.contents()"),
    # On macOS the system's proxy settings would be read through a framework, which the program does not link: as
    # elsewhere, only the environment counts.
    "urllib.request": ("if sys.platform == 'darwin':\n    from _scproxy", "if False:\n    from _scproxy"),
}


def without_annotations(source: str) -> str:
    """Return *source* without the annotations of functions, which nothing reads: 0.2 MB of a snapshot."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(tree)


def stripped(code: CodeType) -> CodeType:
    """Return *code* without line tables and qualified names, for tracebacks and reprs only: 1.4 MB of a snapshot."""
    inner = tuple(stripped(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_consts=inner, co_linetable=b"", co_qualname=code.co_name)


class NuitkaPluginExecutor(NuitkaPluginBase):
    """Keeps the frozen program small and its start-up short."""

    plugin_name = "executor"
    plugin_desc = "What this program needs of the standard library and of its dependencies."

    def __init__(self) -> None:
        self.unseen = {"certifi.core", *CHANGES}

    @staticmethod
    def isAlwaysEnabled() -> bool:
        """Enable the plugin without an option."""
        return True

    def onModuleInitialSet(self) -> Iterable[object]:
        """Declare built-in modules inside packages, which the freezer would treat as missing extension modules."""
        from nuitka.HardImportRegistry import addModuleDynamicBuiltinHard  # noqa: PLC0415  options are read now

        for name in sys.builtin_module_names:
            if "." in name:
                addModuleDynamicBuiltinHard(ModuleName(name))
        return ()

    def onCompilationStartChecks(self) -> None:
        """Set options that Nuitka stores in its own modules; later hooks would be too late."""
        from nuitka.freezer import ImportDetection, Standalone  # noqa: PLC0415  likewise

        ImportDetection._early_modules_names = tuple(map(ModuleName, EARLY))
        ImportDetection._stdlib_modules_names = ()
        if "MACOS_CC" in os.environ:
            # A file for macOS has no such header, and is already signed.
            Standalone.isRPathUsingPlatform = lambda: False

    def decideCompilation(self, module_name: ModuleName) -> str:  # noqa: ARG002
        """Keep all modules as bytecode: as C, our own alone are 1.3 MB larger, no faster, and slow to build."""
        return "bytecode"

    def onModuleSourceCode(self, module_name: ModuleName, source_filename: str, source_code: str) -> str:
        """Apply the `CHANGES`, and embed the trust store."""
        self.unseen.discard(str(module_name))
        if module_name == "certifi.core":
            store = Path(source_filename).with_name("cacert.pem").read_text(encoding="utf-8")
            return CERTIFI_CORE.format(store="".join(CERTIFICATE.findall(store)))
        old, new = CHANGES.get(str(module_name), ("", ""))
        if old and source_code.count(old) != 1:
            self.sysexit(f"{module_name} holds {source_code.count(old)} times, instead of once: {old!r}")
        return without_annotations(source_code.replace(old, new) if old else source_code)

    def onFrozenModuleBytecode(self, module_name: ModuleName, is_package: bool, bytecode: CodeType) -> CodeType:  # noqa: ARG002
        """Strip what the program does not need."""
        return stripped(bytecode)

    def onFinalResult(self, filename: str) -> None:  # noqa: ARG002
        """Fail the build if a module in `CHANGES` was not frozen."""
        if self.unseen:
            self.sysexit(f"Not frozen, so not changed: {', '.join(sorted(self.unseen))}")

    def getExtraCodeFiles(self) -> dict[str, str]:
        """Link the C files that replace or complement functions of the freezer and the C library."""
        names = ["freeze/malloc.c", "freeze/relro.c", "freeze/wrap.c"]
        if os.environ["SNAPSHOT"] == "1":
            names += ["snapshot/deterministic.c", "snapshot/dump.c", "snapshot/restore.c"]
        return {Path(name).name: (HERE.parent / name).read_text() for name in names}
