"""Generate `schemas/` from the message structs, or check that it is up to date.

usage: schemas.py [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from exec_cf.deploy.messages import WorkerDocument
from exec_cf.messages import AgentList, SpawnSpec, SpawnSpecV2, WorkerHandle, WorkerHandleV2

FOLDER = Path(__file__).resolve().parents[2] / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = "https://orch.io/schemas/"
PUBLISHED: dict[str, tuple[type[msgspec.Struct], str]] = {
    "spawn-spec.v1.json": (SpawnSpec, "SpawnSpec v1"),
    "worker-handle.v1.json": (WorkerHandle, "WorkerHandle v1"),
    "spawn-spec.v2.json": (SpawnSpecV2, "SpawnSpec v2"),
    "worker-handle.v2.json": (WorkerHandleV2, "WorkerHandle v2"),
    "agent-list.v1.json": (AgentList, "AgentList v1"),
    "worker.v1.json": (WorkerDocument, "Worker v1"),
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema that is published as *name*."""
    message, title = PUBLISHED[name]
    (made,), parts = msgspec.json.schema_components([message], ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "$id": BASE + name, "title": title, **made, "$defs": parts}


def main(arguments: list[str]) -> int:
    """Write every schema, or with `--check` name the stale ones."""
    stale = []
    for name in PUBLISHED:
        text = json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"
        file = FOLDER / name
        if "--check" not in arguments:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            stale.append(name)
    for name in stale:
        print(f"schemas/{name} is stale: run `make schemas`", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
