"""The map in CONTRIBUTING.md names every module of the executor, once."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_module_is_on_the_map_once() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    [table] = re.findall(r"^\| module \|.*\n\|---.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    named = re.findall(r"`(\w+)/?`", "".join(row.split("|")[1] for row in table.splitlines()))
    folder = ROOT / "exec_cf"
    modules = {file.stem for file in folder.glob("*.py")} | {file.parent.name for file in folder.glob("*/__init__.py")}
    assert Counter(named) == Counter(modules - {"__init__", "_version", "_bundle"})
