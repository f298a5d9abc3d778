"""The writer of executables, on programs and memory whose every byte is known."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import elf
import pytest
from elf import LOAD, RELRO, STACK, TLS, Program, Segment, SnapshotError

PAGE = 0x1000
X86_64, AARCH64 = 62, 183
CODE = Segment(LOAD, 5, 0x401000, b"code" * 100, 400)
CONSTANTS = Segment(LOAD, 4, 0x402000, b"constants".ljust(PAGE, b".") + b"u" * 3 * PAGE + b"more", 4 * PAGE + 4)
WRITABLE = Segment(LOAD, 6, 0x407F00, b"r" * 0x100 + b"d" * PAGE, 0x100 + 3 * PAGE)
PROGRAM = Program(
    X86_64,
    0x401010,
    [
        Segment(LOAD, 4, 0x400000, b"\x7fELF", 4),
        CODE,
        CONSTANTS,
        WRITABLE,
        Segment(TLS, 4, 0x407F00, b"r" * 8, 25, alignment=8),
        Segment(STACK, 6, 0, b"", 0x800000),
        Segment(RELRO, 4, 0x407F00, b"r" * 0x100, 0x100),
    ],
)
IMAGE = b"R" * 0x100 + b"D" * PAGE + bytes(PAGE) + b"E" * PAGE
HEAP = bytes(2 * PAGE) + b"H" * 10 + bytes(PAGE - 10) + bytes(5 * PAGE) + b"I" * PAGE
MEMORY = [Segment(LOAD, 6, 0x407F00, IMAGE, len(IMAGE)), Segment(LOAD, 6, 0x2000000, HEAP, len(HEAP))]


def made(program: Program = PROGRAM, memory: list[Segment] = MEMORY, *unused: bytes) -> tuple[bytes, Program]:
    data = elf.executable(program, memory, unused)
    return data, elf.read_program(data)


def loaded(program: Program) -> dict[int, tuple[int, int]]:
    """Return each byte that is not zero of what *program* starts with, and how it may be used, by address."""
    bytes_at: dict[int, tuple[int, int]] = {}
    for segment in program.segments:
        if segment.kind == LOAD:
            bytes_at |= {segment.address + at: (byte, segment.flags) for at, byte in enumerate(segment.data) if byte}
    return bytes_at


def test_the_process_starts_with_the_memory_that_was_written() -> None:
    _, program = made()
    there = loaded(program)
    for segment in (CODE, CONSTANTS, *MEMORY):
        for at, byte in enumerate(segment.data):
            assert there.get(segment.address + at, (0, 0))[0] == byte
    assert program.entry == PROGRAM.entry


def test_everything_is_mapped_also_what_is_zero() -> None:
    _, program = made()
    for segment in (CODE, CONSTANTS, *MEMORY):
        for address in range(segment.address, segment.end, PAGE):
            assert any(s.address <= address < s.end for s in program.segments if s.kind == LOAD), hex(address)


def test_what_is_relocated_is_read_only_and_the_rest_as_it_was() -> None:
    _, program = made()
    there = loaded(program)
    assert there[0x407F00] == (ord("R"), 4)
    assert there[0x408000] == (ord("D"), 6)
    assert there[CODE.address][1] == 5
    assert not any(segment.flags & 3 == 3 for segment in program.segments)


def test_a_linker_may_keep_what_is_relocated_in_a_segment_of_its_own() -> None:
    relocated = Segment(LOAD, 6, 0x403F00, b"r" * 0x80, 0x80)
    written = Segment(LOAD, 6, 0x407F00, b"d" * 0x200, 0x200)
    rows = [CODE, relocated, written, Segment(RELRO, 4, 0x403F00, b"r" * 0x80, 0x100)]
    memory = [replace(relocated, data=b"R" * 0x80), replace(written, data=b"D" * 0x200), MEMORY[1]]
    there = loaded(made(Program(X86_64, 0x401000, rows), memory)[1])
    assert there[0x403F00] == (ord("R"), 4)
    assert there[0x407F00] == (ord("D"), 6)


def test_runs_of_zero_pages_are_not_in_the_file() -> None:
    data, program = made()
    heap = [segment for segment in program.segments if segment.kind == LOAD and segment.address >= 0x2000000]
    assert [(s.address, len(s.data), s.size) for s in heap] == [
        (0x2000000, 0, 2 * PAGE),
        (0x2002000, PAGE, 6 * PAGE),
        (0x2008000, PAGE, PAGE),
    ]
    assert len(data) < sum(len(segment.data) for segment in (CODE, CONSTANTS, *MEMORY))


def test_the_longest_runs_go_first_where_segments_are_short() -> None:
    parts = [(part.address, len(part.data), part.size) for part in elf.without_zeros([MEMORY[1]], PAGE, room=2)]
    assert parts == [(0x2000000, 3 * PAGE, 8 * PAGE), (0x2008000, PAGE, PAGE)]


def test_many_runs_of_zeros_stay_within_the_segments_that_a_kernel_maps_fast() -> None:
    holes = (b"x" * PAGE + bytes(PAGE)) * 200
    _, program = made(memory=[*MEMORY, Segment(LOAD, 6, 0x4000000, holes, len(holes))])
    assert sum(segment.kind == LOAD for segment in program.segments) <= elf.MOST_SEGMENTS + 1
    assert sum(byte == ord("x") for byte, _ in loaded(program).values()) == 200 * PAGE


def test_unused_content_is_left_out_but_for_its_first_and_last_page() -> None:
    unused = b"u" * 3 * PAGE + b"m"
    data, program = made(PROGRAM, MEMORY, unused)
    whole, _ = made()
    assert len(whole) - len(data) >= 2 * PAGE
    there = loaded(program)
    assert there[CONSTANTS.address][0] == ord("c")
    assert bytes(there[CONSTANTS.end - 4 + at][0] for at in range(4)) == b"more"


def test_several_pieces_are_left_out() -> None:
    whole, _ = made()
    data, _ = made(PROGRAM, MEMORY, b"u" * PAGE, CODE.data, b"u" * 2 * PAGE)
    assert len(whole) - len(data) >= PAGE


def test_content_to_be_left_out_that_is_not_there_changes_nothing() -> None:
    assert made(PROGRAM, MEMORY, b"absent")[0] == made()[0]


@pytest.mark.parametrize(("machine", "page"), [(X86_64, 0x1000), (AARCH64, 0x10000)])
def test_segments_can_be_mapped_with_the_largest_page(machine: int, page: int) -> None:
    base = 0x400000
    segments = [
        Segment(LOAD, 5, base, b"code", 4),
        Segment(LOAD, 6, base + page, b"data", 2 * page),
        Segment(RELRO, 4, base + page, b"", page),
    ]
    memory = [Segment(LOAD, 6, base + page, b"d" * 2 * page, 2 * page)]
    data = elf.executable(Program(machine, base, segments), memory)
    rows = [
        struct.unpack_from("<IIQQQQQQ", data, 64 + 56 * number)
        for number in range(struct.unpack_from("<H", data, 56)[0])
    ]
    pages: set[int] = set()
    for kind, _, offset, address, _, _, size, alignment in rows:
        if kind == LOAD:
            assert offset % page == address % page
            assert alignment == page
            own = set(range(address // page, -(-(address + size) // page)))
            assert not own & pages
            pages |= own


def test_what_the_c_library_reads_of_the_header_is_kept() -> None:
    _, program = made()
    rows = {segment.kind: segment for segment in program.segments}
    assert (rows[STACK].size, rows[STACK].flags) == (0x800000, 6)
    assert (rows[TLS].address, rows[TLS].size, rows[TLS].alignment) == (0x407F00, 25, 8)
    assert (rows[RELRO].address, rows[RELRO].size) == (0x407F00, 0x100)
    header = program.segments[0]
    assert (header.kind, header.flags, header.data[:4]) == (LOAD, 4, b"\x7fELF")


def records(memory: list[Segment]) -> bytes:
    return b"".join(struct.pack("<QQ", s.address, s.size) + s.data for s in memory)


def test_records_are_read_as_they_were_written() -> None:
    found = elf.read_memory(records(MEMORY))
    assert [(s.address, s.size, s.data) for s in found] == [(s.address, s.size, s.data) for s in MEMORY]


@pytest.mark.parametrize("cut", [1, 15, 17, 100])
def test_memory_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(SnapshotError, match="the memory"):
        elf.read_memory(records(MEMORY)[:cut])


@pytest.mark.parametrize(
    ("program", "memory", "message"),
    [
        (PROGRAM, [], "does not begin with the program's writable segment"),
        (PROGRAM, MEMORY[1:], "does not begin with the program's writable segment"),
        (PROGRAM, [*MEMORY, Segment(LOAD, 6, 0x401800, b"x", 1)], "reaches into the page"),
        (
            Program(X86_64, 0, [*PROGRAM.segments[:-1], Segment(RELRO, 4, 0x407F00, b"", 0x90)]),
            MEMORY,
            "ends within a page",
        ),
    ],
)
def test_what_does_not_fit_is_refused(program: Program, memory: list[Segment], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        elf.executable(program, memory)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n" * 20, made()[0][:16] + b"\3" + made()[0][17:]])
def test_a_file_that_cannot_be_taken_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(data)
    (tmp_path / "memory").write_bytes(b"")
    command: list[str | Path] = [
        sys.executable,
        elf.__file__,
        *(tmp_path / name for name in ("program", "memory", "made")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("elf.py: the program ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "made").exists()
