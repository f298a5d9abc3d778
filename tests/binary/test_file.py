"""The file itself: static, hardened, small, and silent about the machine that it was built on."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

MOST_BYTES = 13_500_000
MOST_COMPRESSED = 5_500_000


@pytest.fixture(scope="module")
def headers(program: Path) -> str:
    """Return what readelf says about the file."""
    command = ["readelf", "--wide", "--file-header", "--program-headers", "--dynamic", "--sections", str(program)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_needs_no_library(headers: str) -> None:
    assert "INTERP" not in headers
    assert "(NEEDED)" not in headers


def test_is_position_independent(headers: str) -> None:
    assert "Position-Independent Executable" in headers


def test_relocated_data_is_read_only(headers: str) -> None:
    assert "GNU_RELRO" in headers
    assert "NOW" in headers


def test_no_memory_is_writable_and_executable(headers: str) -> None:
    segments = [line.split() for line in headers.splitlines() if line.strip().startswith(("LOAD", "GNU_STACK"))]
    flags = ["".join(words[6:-1]) for words in segments]
    assert len(flags) > 2
    assert not any({"W", "E"} <= set(flag) for flag in flags)


def test_is_stripped(headers: str) -> None:
    assert ".symtab" not in headers
    assert ".debug_info" not in headers


def test_a_thread_has_eight_mebibytes_of_stack(headers: str) -> None:
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert int(stack.split()[5], 16) == 8 * 1024 * 1024


def test_size(program: Path) -> None:
    data = program.read_bytes()
    assert len(data) <= MOST_BYTES
    assert len(gzip.compress(data)) <= MOST_COMPRESSED


def test_holds_no_path_of_the_clone(program: Path) -> None:
    assert str(Path(__file__).parents[2]).encode() not in program.read_bytes()


def test_has_a_bill_of_materials(program: Path) -> None:
    bill = json.loads(program.with_name(f"{program.name}.cdx.json").read_text())
    described = bill["metadata"]["component"]
    assert described["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(program.read_bytes()).hexdigest()}]
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    assert described["version"] == version
    names = {component["name"] for component in bill["components"]}
    assert names >= {
        "musl",
        "zlib",
        "openssl",
        "python3.13",
        "httpx",
        "httpcore",
        "h11",
        "idna",
        "msgspec",
        "pyyaml",
        "certifi",
        "nuitka",
    }
    assert names.isdisjoint({"anyio", "typing-extensions"})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
