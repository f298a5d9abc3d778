import struct
from pathlib import Path

import pytest
from executable import MisfitError, check
from platforms import PLATFORMS

LINUX = PLATFORMS["linux-x86_64"]


def elf(machine: int = 62, kinds: tuple[int, ...] = (1, 6)) -> bytes:
    """Return an ELF file of headers alone; kind 3 asks for a dynamic loader."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQ", 2, machine, 1, 0, 64, 0)
    head += struct.pack("<IHHH", 0, 64, 56, len(kinds))
    return head.ljust(64, b"\0") + b"".join(struct.pack("<I", kind).ljust(56, b"\0") for kind in kinds)


def checked(data: bytes, platform: str, folder: Path) -> None:
    (folder / "program").write_bytes(data)
    check(folder / "program", PLATFORMS[platform])


@pytest.mark.parametrize(
    ("data", "platform"),
    [
        (elf(), "linux-x86_64"),
        (elf(183), "linux-aarch64"),
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
    ],
)
def test_any_other_file_is_refused(data: bytes, platform: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(MisfitError, match=why):
        checked(data, platform, tmp_path)
