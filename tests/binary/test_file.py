"""The file itself: static, hardened, small, and silent about the machine that it was built on."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

MOST_BYTES = 13_500_000
MOST_COMPRESSED = 5_500_000


@pytest.fixture(scope="module")
def headers(program: Path) -> str:
    """Return what readelf says about the file."""
    command = ["readelf", "--wide", "--file-header", "--program-headers", "--dynamic", "--sections", program]
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
    flags = {line.split()[0]: "".join(line.split()[6:-1]) for line in headers.splitlines() if " 0x" in line and line.strip().startswith(("LOAD", "GNU_STACK"))}
    assert flags["GNU_STACK"] == "RW"
    assert all(not {"W", "E"} <= set(line.split()[6]) for line in headers.splitlines() if line.strip().startswith("LOAD"))


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


def test_holds_no_path_of_the_machine_that_built_it(program: Path) -> None:
    data = program.read_bytes()
    home = str(Path.home()).encode() + b"/"
    here = str(Path(__file__).parents[2]).encode()
    assert home not in data
    assert here not in data
