"""Checks the headers of an executable, so that none is shipped for the wrong platform."""

import struct
from pathlib import Path

import macho
from platforms import Platform

_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
_PROGRAM_HEADER_INTERPRETER = 3

# macOS has no static C library; this one is the system itself.
_SYSTEM_LIBRARIES = ("/usr/lib/libSystem.B.dylib",)


class MisfitError(Exception):
    """The file does not fit the platform; the message says why."""


def check(file: Path, platform: Platform) -> None:
    """Check that *file* is built for *platform*, without running it. Raises `MisfitError`."""
    data = file.read_bytes()
    machine = _macho(data, platform) if platform.system == "Darwin" else _static_elf(data)
    if machine != platform.machine:
        raise MisfitError(f"is for {machine or 'an unknown machine'}, not for {platform.machine}")


def _macho(data: bytes, platform: Platform) -> str:
    """Return the machine of an executable, after checking its minimum macOS version and its only library."""
    try:
        program = macho.read(data)
    except macho.UnreadableError as error:
        raise MisfitError(str(error)) from error
    minimum = "" if program.minimum is None else "_".join(map(str, program.minimum))
    if not platform.wheel.startswith(f"macosx_{minimum}_"):
        raise MisfitError(f"is for {minimum and 'macOS '}{minimum.replace('_', '.') or 'another system'}")
    if program.libraries != _SYSTEM_LIBRARIES:
        raise MisfitError(f"asks for {', '.join(program.libraries) or 'no library'}")
    if not program.position_independent or program.writable_code:
        raise MisfitError("is not hardened: it has a fixed place, or code that can be changed")
    # Other machines do not require a signature, and their linkers do not create one.
    if program.machine == "arm64" and not program.signed:
        raise MisfitError("is not signed, so that no arm64 would run it")
    return program.machine


def _static_elf(data: bytes) -> str:
    """Return the machine of a static executable."""
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        raise MisfitError("is no 64-bit little-endian ELF file")
    (machine,) = struct.unpack_from("<H", data, 18)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, table + size * row)[0] for row in range(count)]
    if _PROGRAM_HEADER_INTERPRETER in kinds:
        raise MisfitError("is not static: it asks for a dynamic loader")
    return _ELF_MACHINES.get(machine, "")
