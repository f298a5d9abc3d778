"""The file on Linux: static and hardened."""

from __future__ import annotations

import socket
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.binary.conftest import SPEC

EXECUTABLE = 2
"""The type of an ELF file that is loaded at the addresses that its header names."""


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


def test_a_program_without_a_snapshot_is_position_independent(headers: str) -> None:
    """One with a snapshot cannot be: its memory is full of addresses."""
    assert ("Position-Independent Executable" in headers) != ("EXEC (Executable file)" in headers)


def test_relocated_data_is_read_only(headers: str) -> None:
    assert "GNU_RELRO" in headers
    assert "NOW" in headers or "There is no dynamic section" in headers


def _relocated(headers: str) -> range:
    """Return the addresses of what is written only while the program is relocated, counted from where it is loaded."""
    row = next(line.split() for line in headers.splitlines() if line.strip().startswith("GNU_RELRO"))
    start, size = int(row[2], 16), int(row[5], 16)
    return range(start, start + size)


def _access(process: int, program: Path) -> dict[range, str]:
    """Return how the memory of *process* may be used, by addresses as the header of *program* has them."""
    lines = [line.split(maxsplit=5) for line in Path(f"/proc/{process}/maps").read_text().splitlines()]
    ends = [[int(address, 16) for address in line[0].split("-")] for line in lines]
    loaded = next(first for line, (first, _) in zip(lines, ends, strict=True) if line[-1] == str(program))
    if program.read_bytes()[16] == EXECUTABLE:
        loaded = 0
    return {range(first - loaded, last - loaded): line[1] for line, (first, last) in zip(lines, ends, strict=True)}


@pytest.mark.usefixtures("not_emulated")
def test_relocated_data_is_read_only_while_it_runs(program: Path, headers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            [program], env={}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdin is not None
            process.stdin.write(SPEC.format(url=url))
            process.stdin.close()
            peer, _ = silent.accept()
            access = _access(process.pid, program)
            process.kill()
            peer.close()
    relocated = _relocated(headers)
    for address in (relocated[0], relocated[len(relocated) // 2], relocated[-1]):
        assert [allowed for part, allowed in access.items() if address in part] == ["r--p"]


def test_no_memory_is_writable_and_executable(headers: str) -> None:
    segments = [line.split() for line in headers.splitlines() if line.strip().startswith(("LOAD", "GNU_STACK"))]
    flags = ["".join(words[6:-1]) for words in segments]
    assert len(flags) > 2
    assert not any({"W", "E"} <= set(flag) for flag in flags)


def test_no_memory_is_mapped_twice(headers: str) -> None:
    rows = [line.split() for line in headers.splitlines() if line.strip().startswith("LOAD")]
    parts = sorted((int(row[2], 16), int(row[2], 16) + int(row[5], 16)) for row in rows)
    assert all(end <= start for (_, end), (start, _) in pairwise(parts))


def test_is_stripped(headers: str) -> None:
    assert ".symtab" not in headers
    assert ".debug_info" not in headers


def test_a_thread_has_eight_mebibytes_of_stack(headers: str) -> None:
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert int(stack.split()[5], 16) == 8 * 1024 * 1024
