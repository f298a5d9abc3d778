"""The file on macOS: the system's own library alone, hardened, signed."""

from __future__ import annotations

from pathlib import Path

import macho
import pytest


@pytest.fixture(scope="module")
def headers(program: Path) -> macho.Executable:
    """Return what the file says of itself; its signature is checked against its pages."""
    data = program.read_bytes()
    if data.startswith(b"\x7fELF"):
        pytest.skip("the program is no Mach-O file")
    return macho.read(data)


def test_needs_the_systems_library_alone(headers: macho.Executable) -> None:
    assert headers.libraries == ("/usr/lib/libSystem.B.dylib",)


def test_is_position_independent(headers: macho.Executable) -> None:
    assert headers.position_independent


def test_no_memory_is_writable_and_executable(headers: macho.Executable) -> None:
    assert not headers.writable_code


def test_is_signed_where_the_machine_asks_for_it(headers: macho.Executable) -> None:
    assert headers.signed or headers.machine == "x86_64"


def test_runs_on_every_macos_since_11(headers: macho.Executable) -> None:
    assert headers.minimum == (11, 0)
