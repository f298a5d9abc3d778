"""The file on Linux: static and hardened."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def headers(program: Path) -> str:
    """Return what readelf says about the file."""
    if not program.read_bytes().startswith(b"\x7fELF"):
        pytest.skip("the program is no ELF file")
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
