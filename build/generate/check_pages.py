"""Check the pages that name tests: each promise names one, each test exists, and figures match the program.

usage: check_pages.py
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from exec_cf.document import LIMITS
from exec_cf.errors import Exit
from exec_cf.settings import SETTINGS
from exec_cf.usage import PROGRAM

ROOT = Path(__file__).resolve().parents[2]

_ITEM = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^#|\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\|(?!---)(.*)\|$(?!\n\|---)", re.MULTILINE)
_NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::((?:\w+::)?\w+)`")
_PLACE = re.compile(r"\btest_\w+\.py")


def contract_faults(text: str, root: Path) -> Iterator[str]:
    """Yield what is wrong with docs/contract.md, whose paths are relative to *root*: items are MUSTs, in order."""
    items = _ITEM.findall(text)
    if not items:
        yield "has no numbered item"
    for expected, (number, body) in enumerate(items, start=1):
        if int(number) != expected:
            yield f"{number}. is where {expected}. should be"
        if "MUST" not in body:
            yield f"{number}. has no MUST"
        yield from _reference_faults(f"{number}.", body, root)
    yield from (f"does not say {fact!r}" for fact in _contract_facts() if fact not in " ".join(text.split()))


def conformance_faults(text: str, root: Path) -> Iterator[str]:
    """Yield what is wrong with tests/conformance/README.md, whose paths are relative to its directory *root*.

    Each row of its tables is a promise, and each test module appears in one.
    """
    yield from promise_faults(text, root)
    named = {file for file, _ in _NAMED.findall(text)}
    for module in sorted(path.name for path in root.glob("test_*.py")):
        # It checks the Worker's README against the sources, which is no promise to callers.
        if module not in named and module != "test_readme.py":
            yield f"does not name any test of {module}"


def promise_faults(text: str, root: Path) -> Iterator[str]:
    """Yield what is wrong with a page whose tables have a promise in each row, with paths relative to *root*."""
    rows = _ROW.findall(text)
    if not rows:
        yield "has no table"
    for row in rows:
        yield from _reference_faults(f"row {row.split('|')[0].strip()!r}", row, root)


def _reference_faults(place: str, text: str, root: Path) -> Iterator[str]:
    named = _NAMED.findall(text)
    if not named:
        yield f"{place} names no test"
    if len(named) != len(_PLACE.findall(text)):
        yield f"{place} names a test in another form than `path/test_….py::test_…`"
    for file, name in named:
        if name not in _tests(root / file):
            yield f"{place} names {file}::{name}, which does not exist"


def _contract_facts() -> list[str]:
    """Return the facts of the program that the contract must state."""
    return [
        (
            f"More than {LIMITS.size // 1024} KiB of input, {LIMITS.depth} levels, {LIMITS.nodes} values, "
            f"{LIMITS.aliases} aliases or {LIMITS.tokens} tokens"
        ),
        "exit code MUST be {}, {}, {} or {}".format(*map(int, Exit)),
        f"begins with `{PROGRAM}: `",
        *(f"`{setting.name}`" for setting in SETTINGS),
    ]


def _tests(file: Path) -> set[str]:
    """Return the tests of *file*, as pytest names them."""
    return set(_named(ast.parse(file.read_text()).body)) if file.exists() else set()


def _named(body: list[ast.stmt], within: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _named(node.body, f"{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield within + node.name


PAGES: dict[str, tuple[Callable[[str, Path], Iterator[str]], Path]] = {
    "docs/contract.md": (contract_faults, ROOT),
    "SECURITY.md": (promise_faults, ROOT),
    "tests/conformance/README.md": (conformance_faults, ROOT / "tests" / "conformance"),
}


def main() -> int:
    """Print every fault, and return the exit code."""
    code = 0
    for page, (faults, root) in PAGES.items():
        for fault in faults((ROOT / page).read_text(), root):
            print(f"{page}: {fault}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
