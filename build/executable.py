"""What an executable file says of itself, so that none is shipped under another platform's name."""

import struct
from pathlib import Path

from platforms import Platform

_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
_PROGRAM_HEADER_INTERPRETER = 3


class MisfitError(Exception):
    """The file is not what the platform needs; the message says why."""


def check(file: Path, platform: Platform) -> None:
    """Check that *file* runs on *platform*, wherever it is run. Raises `MisfitError`."""
    machine = _static_elf(file.read_bytes())
    if machine != platform.machine:
        raise MisfitError(f"is for {machine or 'an unknown machine'}, not for {platform.machine}")


def _static_elf(data: bytes) -> str:
    """Return the machine of an executable without a dynamic loader."""
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        raise MisfitError("is no 64-bit little-endian ELF file")
    (machine,) = struct.unpack_from("<H", data, 18)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, table + size * row)[0] for row in range(count)]
    if _PROGRAM_HEADER_INTERPRETER in kinds:
        raise MisfitError("is not static: it asks for a dynamic loader")
    return _ELF_MACHINES.get(machine, "")
