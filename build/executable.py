"""What an executable file says of itself, so that none is shipped under another platform's name."""

import struct
from pathlib import Path

from platforms import Platform

_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
_MACH_O_MACHINES = {0x01000007: "x86_64", 0x0100000C: "arm64"}
_PROGRAM_HEADER_INTERPRETER = 3
_LOAD_COMMAND_BUILD_VERSION = 0x32


class MisfitError(Exception):
    """The file is not what the platform needs; the message says why."""


def check(file: Path, platform: Platform) -> None:
    """Check that *file* runs on *platform*, wherever it is run. Raises `MisfitError`."""
    data = file.read_bytes()
    if platform.system == "Linux":
        machine = _static_elf(data)
    else:
        machine, needs = _mach_o(data)
        least = tuple(map(int, platform.wheel.split("_")[1:3]))
        if needs > least:
            raise MisfitError(f"needs macOS {needs[0]}.{needs[1]}, the wheel's tag says {least[0]}.{least[1]}")
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


def _mach_o(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return the machine and the oldest macOS of an executable for one architecture."""
    if data[:4] != b"\xcf\xfa\xed\xfe" or len(data) < 32:
        raise MisfitError("is no 64-bit Mach-O file")
    machine, _, _, commands = struct.unpack_from("<4I", data, 4)
    at = 32
    for _ in range(commands):
        command, size = struct.unpack_from("<2I", data, at)
        if command == _LOAD_COMMAND_BUILD_VERSION:
            (version,) = struct.unpack_from("<I", data, at + 12)
            return _MACH_O_MACHINES.get(machine, ""), (version >> 16, version >> 8 & 0xFF)
        at += size
    raise MisfitError("does not say which macOS it needs")
