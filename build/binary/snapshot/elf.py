"""Makes an executable from a program and its memory at the time of the snapshot.

usage: elf.py PROGRAM MEMORY OUTPUT UNUSED...

PROGRAM is the static executable that was run, at fixed addresses. MEMORY is its snapshot: records of an address, a size
(8 bytes each) and that many bytes, its writable segments first. The content of each file UNUSED is inside PROGRAM but
no longer needed. The new executable has the program's code and constants, and the snapshot instead of its writable
segment, so that it continues where the snapshot was taken.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

LOAD, TLS, STACK, RELRO = 1, 7, 0x6474E551, 0x6474E552
EXECUTABLE, WRITABLE, READABLE = 1, 2, 4
ET_EXEC = 2
PAGE_SIZES = {62: 0x1000, 183: 0x10000}
"""The largest page that a machine may have, by its number in the ELF header: x86_64, aarch64."""

MOST_SEGMENTS = 64
"""The kernel creates a mapping for each segment at every start."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


class SnapshotError(Exception):
    """The input cannot be made into an executable; the message says why."""


@dataclass(frozen=True)
class Segment:
    """A row of the program header: *data* is at *address*, followed by zeros up to *size*."""

    kind: int
    flags: int
    address: int
    data: bytes
    size: int
    alignment: int = 1

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size


@dataclass(frozen=True)
class Program:
    """The relevant parts of an ELF file."""

    machine: int
    entry: int
    segments: list[Segment]

    @property
    def page(self) -> int:
        """The largest page size that it may be run with."""
        return PAGE_SIZES[self.machine]


def read_program(data: bytes) -> Program:
    """Parse a 64-bit ELF file. Raises `SnapshotError`."""
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        raise SnapshotError("the program is not a 64-bit little-endian ELF file")
    _, kind, machine, _, entry, table, _, _, _, _, count, *_ = _HEADER.unpack_from(data)
    if kind != ET_EXEC or machine not in PAGE_SIZES:
        raise SnapshotError(f"the program must have fixed addresses and be for a supported machine: {kind}, {machine}")
    rows = (_SEGMENT.unpack_from(data, table + number * _SEGMENT.size) for number in range(count))
    return Program(machine, entry, [_segment(data, *row) for row in rows])


def _segment(data: bytes, kind: int, flags: int, offset: int, address: int, *sizes: int) -> Segment:
    _, in_file, size, alignment = sizes
    return Segment(kind, flags, address, data[offset : offset + in_file], size, alignment)


def read_memory(data: bytes) -> list[Segment]:
    """Return the records of a snapshot. Raises `SnapshotError`."""
    found = []
    while data:
        if len(data) < 16:
            raise SnapshotError("the memory ends within the head of a record")
        address, size = struct.unpack_from("<QQ", data)
        found.append(Segment(LOAD, READABLE | WRITABLE, address, data[16 : 16 + size], size))
        if len(found[-1].data) != size:
            raise SnapshotError(f"the memory at {address:#x} ends after {len(found[-1].data)} of {size} bytes")
        data = data[16 + size :]
    return found


def without(segments: list[Segment], unused: bytes, page: int) -> list[Segment]:
    """Return the *segments* without the pages that hold nothing but a part of *unused*, which is in one of them."""
    for number, segment in enumerate(segments):
        at = segment.address + segment.data.find(unused)
        start, end = _up(at, page), (at + len(unused)) // page * page
        if at >= segment.address and start < end:
            left = [_part(segment, segment.address, start), _part(segment, end, segment.end)]
            return [*segments[:number], *(part for part in left if part.size), *segments[number + 1 :]]
    return segments


def protected(memory: list[Segment], relro: Segment | None, page: int) -> list[Segment]:
    """Return the writable segments with what is never written again apart, and read-only. Raises `SnapshotError`.

    A linker puts that into a segment of its own, or at the beginning of the only one.
    """
    if relro is None:
        return memory
    first, *others = memory
    if relro.address != first.address or relro.end % page:
        raise SnapshotError("what is read-only after the start does not begin with the segment, or ends within a page")
    end = min(first.end, relro.end)
    parts = [replace(_part(first, first.address, end), flags=READABLE), _part(first, end, first.end)]
    return [*(part for part in parts if part.size), *others]


def without_zeros(segments: Iterable[Segment], page: int, room: int) -> Iterator[Segment]:
    """Yield the *segments* in parts that leave out pages of zeros, the longest runs first, in at most *room* parts."""
    segments = [segment for segment in segments if segment.size]
    runs = [
        (end - start, number, start) for number, segment in enumerate(segments) for start, end in _zeros(segment, page)
    ]
    chosen = sorted(runs, key=lambda run: (-run[0], *run[1:]))[: max(0, room - len(segments))]
    for number, segment in enumerate(segments):
        starts = sorted((start, start + length) for length, owner, start in chosen if owner == number)
        at = segment.address
        for start, end in [*starts, (segment.end, segment.end)]:
            if at < end:
                yield replace(_part(segment, at, end), data=_part(segment, at, start).data)
            at = end


def _zeros(segment: Segment, page: int) -> Iterator[tuple[int, int]]:
    """Yield where the runs of whole pages of zeros begin and end."""
    zero = bytes(page)
    start = None
    for at in range(_up(segment.address, page), segment.end + page, page):
        offset = at - segment.address
        if at < segment.end and segment.data[offset : offset + page] == zero[: segment.size - offset]:
            start = at if start is None else start
        elif start is not None:
            yield start, min(at, segment.end)
            start = None


def executable(program: Program, memory: list[Segment], unused: Iterable[bytes] = ()) -> bytes:
    """Return the bytes of the new executable. Raises `SnapshotError`."""
    page = program.page
    loaded = [segment for segment in program.segments if segment.kind == LOAD]
    fixed = [segment for segment in loaded if not segment.flags & WRITABLE]
    for piece in unused:
        fixed = without(fixed, piece, page)
    writable = [segment for segment in loaded if segment.flags & WRITABLE]
    own, others = memory[: len(writable)], memory[len(writable) :]
    if [(s.address, s.size) for s in own] != [(s.address, s.size) for s in writable]:
        raise SnapshotError("the memory does not begin with the program's writable segments")
    own = protected(own, _only(program, RELRO), page)
    fixed += [segment for segment in own if not segment.flags & WRITABLE]
    changing = [segment for segment in [*own, *others] if segment.flags & WRITABLE]
    written = without_zeros(changing, page, MOST_SEGMENTS - len(fixed))
    return _written(program, sorted([*fixed, *written], key=lambda segment: segment.address))


def _written(program: Program, segments: list[Segment]) -> bytes:
    """Return an ELF file with *segments* and what else the program's header tells of the stack, threads and RELRO."""
    page = program.page
    others = [row for kind in (TLS, STACK, RELRO) if (row := _only(program, kind))]
    count = 1 + len(segments) + len(others)
    header_size = _HEADER.size + count * _SEGMENT.size
    # The header is loaded too: the C library reads it. It has pages of its own, before all others.
    header = Segment(LOAD, READABLE, segments[0].address // page * page - _up(header_size, page), b"", header_size)
    for before, after in zip([header, *segments], segments, strict=False):
        if _up(before.end, page) > after.address // page * page:
            raise SnapshotError(f"what is at {before.address:#x} reaches into the page of {after.address:#x}")
    rows = [(header, 0, header_size)]
    body = bytearray(header_size)
    for segment in segments:
        body += bytes((segment.address - len(body)) % page)
        rows.append((segment, len(body), len(segment.data)))
        body += segment.data
    for row in others:
        offset = next((at + row.address - s.address for s, at, _ in rows if s.address <= row.address < s.end), 0)
        rows.append((row, offset if row.size and row.kind != STACK else 0, len(row.data)))
    body[:header_size] = _header(program, rows, page)
    return bytes(body)


def _header(program: Program, rows: list[tuple[Segment, int, int]], page: int) -> bytes:
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = _HEADER.pack(
        identity,
        ET_EXEC,
        program.machine,
        1,
        program.entry,
        _HEADER.size,
        0,
        0,
        _HEADER.size,
        _SEGMENT.size,
        len(rows),
        0,
        0,
        0,
    )
    table = (
        _SEGMENT.pack(
            s.kind, s.flags, offset, s.address, s.address, size, s.size, page if s.kind == LOAD else s.alignment
        )
        for s, offset, size in rows
    )
    return head + b"".join(table)


def _only(program: Program, kind: int) -> Segment | None:
    return next((segment for segment in program.segments if segment.kind == kind), None)


def _part(segment: Segment, start: int, end: int) -> Segment:
    """Return what *segment* has from *start* to *end*."""
    data = segment.data[start - segment.address : end - segment.address]
    return replace(segment, address=start, data=data, size=end - start)


def _up(address: int, page: int) -> int:
    return -(-address // page) * page


def main(arguments: list[str]) -> int:
    """Write the executable."""
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 64
    program, memory, output, *unused = map(Path, arguments)
    pieces = (file.read_bytes() for file in unused)
    try:
        made = executable(read_program(program.read_bytes()), read_memory(memory.read_bytes()), pieces)
    except SnapshotError as error:
        print(f"elf.py: {error}", file=sys.stderr)
        return 1
    output.write_bytes(made)
    output.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
