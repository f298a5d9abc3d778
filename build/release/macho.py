"""Reads a Mach-O executable: its headers, and whether its signature matches its pages."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MAGIC = 0xFEEDFACF
_MACHINES = {0x01000007: "x86_64", 0x0100000C: "arm64"}
_EXECUTE = 2
_POSITION_INDEPENDENT = 0x200000
_SEGMENT = 0x19
_BUILD_VERSION = 0x32
_MACOS = 1
_SIGNATURE = 0x1D
# The load commands for libraries: normal, weak, re-exported, lazy and upward.
_LIBRARIES = {0x0C, 0x80000018, 0x8000001F, 0x20, 0x80000023}
_WRITE, _EXECUTABLE = 2, 4

_SUPER_BLOB = 0xFADE0CC0
_CODE_DIRECTORY = 0xFADE0C02
_SHA256 = 2


class UnreadableError(Exception):
    """The bytes are not a consistent 64-bit Mach-O executable; the message says where."""


@dataclass(frozen=True)
class Executable:
    """A Mach-O executable.

    `minimum` is the oldest macOS that takes it, as major and minor, and None where the file is for another system.
    """

    machine: str
    position_independent: bool
    libraries: tuple[str, ...]
    minimum: tuple[int, int] | None
    writable_code: bool
    signed: bool


def read(data: bytes) -> Executable:
    """Read the executable, and check its signature if it has one. Raises `UnreadableError`."""
    try:
        return _read(data)
    except struct.error as error:
        raise UnreadableError("ends before what its headers promise") from error


def _read(data: bytes) -> Executable:
    if len(data) < 32 or struct.unpack_from("<I", data)[0] != _MAGIC:
        raise UnreadableError("is no 64-bit Mach-O file")
    _, machine, _, kind, _, _, flags = struct.unpack_from("<7I", data)
    if kind != _EXECUTE:
        raise UnreadableError("is no executable")
    commands = list(_commands(data))
    signatures = [struct.unpack_from("<II", data, at + 8) for command, at in commands if command == _SIGNATURE]
    for at, _ in signatures:
        _check_signature(data, at)
    return Executable(
        machine=_MACHINES.get(machine, ""),
        position_independent=bool(flags & _POSITION_INDEPENDENT),
        libraries=tuple(_text(data, at, 8) for command, at in commands if command in _LIBRARIES),
        minimum=next((_minimum(data, at) for command, at in commands if command == _BUILD_VERSION), None),
        writable_code=any(_writable_code(data, at) for command, at in commands if command == _SEGMENT),
        signed=bool(signatures),
    )


def _commands(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each load command's kind and offset."""
    (count,) = struct.unpack_from("<I", data, 16)
    at = 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", data, at)
        yield command, at
        at += size


def _text(data: bytes, command: int, field: int) -> str:
    """Return the text that a field of a load command points to."""
    (offset,) = struct.unpack_from("<I", data, command + field)
    return data[command + offset :].partition(b"\0")[0].decode(errors="replace")


def _minimum(data: bytes, at: int) -> tuple[int, int] | None:
    system, version = struct.unpack_from("<II", data, at + 8)
    return (version >> 16, version >> 8 & 0xFF) if system == _MACOS else None


def _writable_code(data: bytes, at: int) -> bool:
    (allowed,) = struct.unpack_from("<I", data, at + 60)
    return bool(allowed & _WRITE and allowed & _EXECUTABLE)


def _check_signature(data: bytes, start: int) -> None:
    """Check the hash of each page against the signature. Raises `UnreadableError`."""
    magic, _, count = struct.unpack_from(">3I", data, start)
    blobs = [struct.unpack_from(">II", data, start + 12 + 8 * row)[1] for row in range(count)]
    directories = [start + blob for blob in blobs if struct.unpack_from(">I", data, start + blob)[0] == _CODE_DIRECTORY]
    if magic != _SUPER_BLOB or not directories:
        raise UnreadableError("has a signature without a directory of its pages")
    for at in directories:
        hashes, pages, limit = struct.unpack_from(">I8xII", data, at + 16)
        size, kind, _, page = struct.unpack_from(">4B", data, at + 36)
        if (kind, size, limit) != (_SHA256, 32, start) or pages != (limit + (1 << page) - 1) >> page:
            raise UnreadableError("has a signature that does not cover it")
        for index in range(pages):
            first = index << page
            digest = hashlib.sha256(data[first : min(first + (1 << page), limit)]).digest()
            if data[at + hashes + 32 * index :][:32] != digest:
                raise UnreadableError(f"has a signature of other bytes: page {index}")
