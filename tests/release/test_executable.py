import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import MisfitError, check
from platforms import PLATFORMS

ARM64, X86_64 = 0x0100000C, 0x01000007
SYSTEM = "/usr/lib/libSystem.B.dylib"
PAGE = 4096


def elf(machine: int = 62, kinds: tuple[int, ...] = (1, 6)) -> bytes:
    """Return an ELF file of headers alone; kind 3 asks for a dynamic loader."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQ", 2, machine, 1, 0, 64, 0)
    head += struct.pack("<IHHH", 0, 64, 56, len(kinds))
    return head.ljust(64, b"\0") + b"".join(struct.pack("<I", kind).ljust(56, b"\0") for kind in kinds)


def command(kind: int, body: bytes) -> bytes:
    """Return a load command, padded as all are."""
    body = body.ljust(-(-len(body) // 8) * 8, b"\0")
    return struct.pack("<II", kind, 8 + len(body)) + body


def macho(
    machine: int = ARM64,
    *,
    libraries: tuple[tuple[int, str], ...] = ((0x0C, SYSTEM),),
    minimum: int = 11 << 16,
    system: int = 1,
    flags: int = 0x200085,
    protection: int = 5,
    kind: int = 2,
    sign: bool = True,
) -> bytes:
    """Return a Mach-O executable of headers alone, two pages long, and its signature."""
    commands = [command(0x19, struct.pack("<16s4Q4I", b"__TEXT", 0, 0, 0, 0, protection, protection, 0, 0))]
    commands += [command(0x32, struct.pack("<4I", system, minimum, minimum, 0))]
    commands += [
        command(library, struct.pack("<4I", 24, 0, 0, 0) + name.encode() + b"\0") for library, name in libraries
    ]
    if sign:
        commands.append(command(0x1D, struct.pack("<II", 2 * PAGE, 108)))
    body = b"".join(commands)
    head = struct.pack("<8I", 0xFEEDFACF, machine, 0, kind, len(commands), len(body), flags, 0)
    data = (head + body).ljust(2 * PAGE, b"\0")
    return data + signature(data) if sign else data


def signature(data: bytes) -> bytes:
    """Return an ad hoc signature of *data*, of the hashes of its pages alone."""
    hashes = b"".join(hashlib.sha256(data[at : at + PAGE]).digest() for at in range(0, len(data), PAGE))
    fields = struct.pack(">9I4BI", 0xFADE0C02, 44 + len(hashes), 0x20400, 2, 44, 0, 0, 2, len(data), 32, 2, 0, 12, 0)
    return struct.pack(">5I", 0xFADE0CC0, 20 + len(fields + hashes), 1, 0, 20) + fields + hashes


def changed(at: int) -> Callable[[bytes], bytes]:
    """Return what changes one byte of a file."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def checked(data: bytes, platform: str, folder: Path) -> None:
    (folder / "program").write_bytes(data)
    check(folder / "program", PLATFORMS[platform])


@pytest.mark.parametrize(
    ("data", "platform"),
    [
        (elf(), "linux-x86_64"),
        (elf(183), "linux-aarch64"),
        (macho(), "macos-arm64"),
        (macho(X86_64), "macos-x86_64"),
        (macho(X86_64, sign=False), "macos-x86_64"),
    ],
)
def test_an_executable_of_the_platform_is_taken(data: bytes, platform: str, tmp_path: Path) -> None:
    checked(data, platform, tmp_path)


@pytest.mark.parametrize(
    ("data", "platform", "why"),
    [
        (elf(kinds=(3, 1)), "linux-x86_64", "not static"),
        (elf(183), "linux-x86_64", "is for aarch64"),
        (elf(40), "linux-x86_64", "an unknown machine"),
        (b"#!/bin/sh\n", "linux-x86_64", "no 64-bit little-endian ELF"),
        (b"", "linux-x86_64", "no 64-bit little-endian ELF"),
        (elf(), "macos-x86_64", "no 64-bit Mach-O"),
        (macho(), "linux-aarch64", "no 64-bit little-endian ELF"),
        (macho(), "macos-x86_64", "is for arm64, not for x86_64"),
        (macho(0x0200000C), "macos-arm64", "an unknown machine"),
        (macho(kind=6), "macos-arm64", "no executable"),
        (macho(minimum=12 << 16), "macos-arm64", "is for macOS 12.0"),
        (macho(minimum=11 << 16 | 3 << 8), "macos-arm64", "is for macOS 11.3"),
        (macho(system=2), "macos-arm64", "is for another system"),
        (macho(libraries=((0x0C, SYSTEM), (0x80000018, "/opt/lib/libz.dylib"))), "macos-arm64", "/opt/lib/libz.dylib"),
        (macho(libraries=()), "macos-arm64", "no library"),
        (macho(flags=0x85), "macos-arm64", "not hardened"),
        (macho(protection=7), "macos-arm64", "not hardened"),
        (macho(sign=False), "macos-arm64", "is not signed"),
        (macho()[:PAGE], "macos-arm64", "ends before"),
        (b"\xcf\xfa\xed\xfe", "macos-arm64", "no 64-bit Mach-O"),
    ],
)
def test_any_other_file_is_refused(data: bytes, platform: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(MisfitError, match=why):
        checked(data, platform, tmp_path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (changed(PAGE - 1), "other bytes: page 0"),
        (changed(2 * PAGE - 1), "other bytes: page 1"),
        (changed(2 * PAGE + 20 + 35), "does not cover it"),
        (changed(2 * PAGE + 20 + 31), "does not cover it"),
        (changed(2 * PAGE + 20 + 37), "does not cover it"),
        (changed(2 * PAGE + 3), "without a directory"),
        (changed(2 * PAGE + 20), "without a directory"),
    ],
)
@pytest.mark.parametrize(("machine", "platform"), [(ARM64, "macos-arm64"), (X86_64, "macos-x86_64")])
def test_a_signature_of_another_file_is_refused(
    change: Callable[[bytes], bytes], why: str, machine: int, platform: str, tmp_path: Path
) -> None:
    with pytest.raises(MisfitError, match=why):
        checked(change(macho(machine)), platform, tmp_path)
