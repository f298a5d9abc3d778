"""Imports between the Worker's modules run downwards; `pyproject.toml` says the same of the program's own."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "worker" / "src"

LAYERS = [
    set(layer.split())
    for layer in (
        "index",
        "auth http page routes stop_all",
        "hub registry session",
        "calls causes conversation env home hub_memory hub_reports hub_turns memory pipe presence rows session_reports",
        "agents bus",
        "listing limits log outcome settings",
        "budget cancellation errors subjects tally text tick vars version",
    )
]
"""From top to bottom. A module may import those of its own layer and of lower ones; `agents` and `bus` are folders."""

INDEPENDENT = {("agents", "bus"), ("bus", "agents")}


def module_of(file: Path) -> str:
    """Return the module or folder of *file* at the top of the sources."""
    return file.relative_to(SOURCES).parts[0].removesuffix(".ts")


def imports() -> Iterator[tuple[str, str]]:
    """Yield each pair of modules of which the first imports the second."""
    for file in SOURCES.rglob("*.ts"):
        for path in re.findall(r'^(?:import|export|\}) .*from "(\.[^"]+\.ts)";$', file.read_text(), re.MULTILINE):
            yield module_of(file), module_of((file.parent / path).resolve())


def test_every_module_is_in_one_layer() -> None:
    modules = {module_of(file) for file in SOURCES.rglob("*.ts") if not file.name.endswith(".d.ts")}
    assert sorted(chain(*LAYERS)) == sorted(modules)


def test_no_module_imports_one_above_it() -> None:
    depth = {module: number for number, layer in enumerate(LAYERS) for module in layer}
    assert [(one, other) for one, other in imports() if depth[one] > depth[other]] == []
    assert INDEPENDENT.isdisjoint(imports())
