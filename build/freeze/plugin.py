"""What the freezer is told about this program: which modules it needs, and which of them become C."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from nuitka.HardImportRegistry import addModuleDynamicBuiltinHard
from nuitka.freezer import ImportDetection
from nuitka.plugins.PluginBase import NuitkaPluginBase
from nuitka.utils.ModuleNames import ModuleName

HERE = Path(__file__).parent

# What the interpreter imports before it runs any program. The freezer would take in the whole standard library.
EARLY = {
    "_collections_abc", "abc", "codecs", "encodings", "encodings.aliases", "encodings.ascii", "encodings.latin_1",
    "encodings.utf_8", "genericpath", "io", "os", "posixpath", "stat",
}  # fmt: skip
EARLY_PACKAGES = {"importlib", "types", "warnings"}


class NuitkaPluginExecutor(NuitkaPluginBase):
    """Keeps the frozen program small and its start short."""

    plugin_name = "executor"
    plugin_desc = "What this program needs of the standard library and of its dependencies."

    @staticmethod
    def isAlwaysEnabled() -> bool:
        """Load without a further option."""
        return True

    def onModuleInitialSet(self) -> Iterable[object]:
        """Declare the built-in modules inside packages, which the freezer takes for missing extension modules."""
        for name in sys.builtin_module_names:
            if "." in name:
                addModuleDynamicBuiltinHard(ModuleName(name))
        return ()

    def onCompilationStartChecks(self) -> None:
        """Cut the lists of the standard library's modules; a later hook would be too late."""
        ImportDetection._early_modules_names = tuple(
            name
            for name in ImportDetection.detectEarlyImports()
            if str(name) in EARLY or str(name).partition(".")[0] in EARLY_PACKAGES
        )
        ImportDetection._stdlib_modules_names = ()

    def decideCompilation(self, module_name: ModuleName) -> str:
        """Compile the project's own code; as C the libraries are larger, start slower and take minutes to build."""
        return "compiled" if module_name.hasNamespace("exec_cf") else "bytecode"

    def getExtraCodeFiles(self) -> dict[str, str]:
        """Link the functions that replace some of the freezer's and of the C library's."""
        return {"wrap.c": (HERE / "wrap.c").read_text()}
