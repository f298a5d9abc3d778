"""Check that every MUST of docs/contract.md names tests that exist, and that its figures are the program's own.

usage: check_contract.py
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from exec_cf.document import LIMITS
from exec_cf.errors import Exit
from exec_cf.settings import SETTINGS
from exec_cf.usage import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "docs/contract.md"

_ITEM = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^#|\Z)", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::((?:\w+::)?\w+)`")
_PLACE = re.compile(r"tests/[\w/]+\.py")


def faults(text: str, root: Path) -> Iterator[str]:
    """Yield what is wrong with the contract *text*, whose tests stand below *root*."""
    yield from _faults_of_items(text, root)
    yield from (f"does not say {fact!r}" for fact in _facts() if fact not in " ".join(text.split()))


def _faults_of_items(text: str, root: Path) -> Iterator[str]:
    items = _ITEM.findall(text)
    if not items:
        yield "holds no numbered item"
    for expected, (number, body) in enumerate(items, start=1):
        if int(number) != expected:
            yield f"{number}. stands where {expected}. should"
        if "MUST" not in body:
            yield f"{number}. says no MUST"
        named = _NAMED.findall(body)
        if not named:
            yield f"{number}. names no test"
        if len(named) != len(_PLACE.findall(body)):
            yield f"{number}. names a test in another form than `tests/….py::test_…`"
        for file, name in named:
            if name not in _tests(root / file):
                yield f"{number}. names {file}::{name}, which does not exist"


def _facts() -> list[str]:
    """Return what the contract has to say because the program does."""
    return [
        f"More than {LIMITS.size // 1024} KiB of input, {LIMITS.depth} levels, {LIMITS.nodes} values, "
        f"{LIMITS.aliases} aliases or {LIMITS.tokens} tokens",
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
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield within + node.name


def main() -> int:
    """Print every fault, and return the exit code."""
    found = list(faults((ROOT / CONTRACT).read_text(), ROOT))
    for fault in found:
        print(f"{CONTRACT}: {fault}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
