"""The README names tests that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMED = sorted(set(re.findall(r"`(test_\w+\.py(?:::\w+)+)`", (HERE / "README.md").read_text())))


def names_of(path: Path) -> Iterator[str]:
    """Give the tests of a module, those of classes with the class before them."""
    for node in ast.parse(path.read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{path.name}::{node.name}::" if isinstance(node, ast.ClassDef) else f"{path.name}::"
        for test in inside:
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test_"):
                yield prefix + test.name


EXISTING = {name for path in HERE.glob("test_*.py") for name in names_of(path)}


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name: str) -> None:
    """A promise without its test would be found here."""
    assert name in EXISTING


def test_every_module_is_named() -> None:
    """No module of this suite is left out of the README."""
    modules = {name.partition("::")[0] for name in EXISTING}
    named = {name.partition("::")[0] for name in NAMED}
    assert modules - named == {"test_mapping.py", "test_readme.py"}
