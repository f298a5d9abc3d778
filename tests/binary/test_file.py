"""The file itself: small, and silent about the machine that it was built on."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SOURCES = Path(__file__).parents[2] / "build/binary/toolchain/sources.tsv"


def test_size(program: Path) -> None:
    data = program.read_bytes()
    with_snapshot = data[:4] == b"\x7fELF" and data[16] == 2
    most, most_compressed = (27_000_000, 8_000_000) if with_snapshot else (13_500_000, 5_500_000)
    assert len(data) <= most
    assert len(gzip.compress(data)) <= most_compressed


def test_holds_no_path_of_the_clone(program: Path) -> None:
    assert str(Path(__file__).parents[2]).encode() not in program.read_bytes()


@pytest.fixture(scope="module")
def bill(program: Path) -> dict[str, Any]:
    """Return the bill of materials beside the file."""
    read: dict[str, Any] = json.loads(program.with_name(f"{program.name}.cdx.json").read_text())
    return read


def test_has_a_bill_of_materials(program: Path, bill: dict[str, Any]) -> None:
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_the_bill_names_what_is_inside(program: Path, bill: dict[str, Any]) -> None:
    linux = program.read_bytes().startswith(b"\x7fELF")
    rows = [line.split("\t")[0] for line in SOURCES.read_text().splitlines() if not line.startswith("#")]
    common = {*rows, "httpx", "httpcore", "h11", "idna", "msgspec", "pyyaml", "certifi", "nuitka"} - {"musl"}
    worker = {component["name"] for component in bill["components"] if component["purl"].startswith("pkg:npm/")}
    assert {"nats-core", "ai", "zod"} <= worker
    inside = {component["name"] for component in bill["components"]} - worker
    assert inside == common | ({"musl"} if linux else {"ziglang"})


def test_the_bill_and_the_file_tell_the_same_version(program: Path, bill: dict[str, Any]) -> None:
    try:
        done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        pytest.skip("the program is for another machine")
    assert done.stdout.split()[1] == bill["metadata"]["component"]["version"]
