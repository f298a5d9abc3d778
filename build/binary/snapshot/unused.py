"""Writes the parts of the frozen program that its snapshot does not need, for `elf.py` to leave out.

usage: unused.py BUILD FOLDER [MODULE=SOURCE...]

BUILD is the freezer's output: `blobs/__constant.bin` with the code of all modules, and `__loader.c` with their sizes.
All of them are imported in the snapshot, except the MODULEs: their data stays in read-only memory until they are
imported. FOLDER receives the pieces between them.
"""

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path


def carried_data(source: str) -> bytes:
    """Return the largest constant in the source of a module, as in its compiled code."""
    found = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return max((v.encode() if isinstance(v, str) else v for v in found if isinstance(v, str | bytes)), key=len)


def code_size(loader: str, module: str) -> int:
    """Return the size of the code of *module* from the freezer's table of modules. Raises `SystemExit`."""
    rows = re.findall(rf'^ *"{re.escape(module)}",.*, \d+, (\d+), \w', loader, re.MULTILINE)
    if len(rows) != 1:
        raise SystemExit(f"unused.py: __loader.c names {module} {len(rows)} times, instead of once")
    return int(rows[0])


def pieces(blob: bytes, carried: Iterable[tuple[bytes, int]]) -> list[bytes]:
    """Return the pieces of *blob* without the code around each of the *carried* constants, given with the code's size.

    The start of that code is unknown, so the largest possible range around the constant is left out.
    """
    ranges = []
    for data, size in carried:
        if (at := blob.find(data)) < 0:
            raise SystemExit("unused.py: the data of a module is not in its code")
        ranges.append((max(0, at + len(data) - size), at + size))
    found, start = [], 0
    for first, end in sorted(ranges):
        found.append(blob[start:first])
        start = end
    return [piece for piece in [*found, blob[start:]] if piece]


def main(arguments: list[str]) -> int:
    """Write the pieces."""
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    build, folder = map(Path, arguments[:2])
    loader = (build / "__loader.c").read_text()
    named = [argument.partition("=") for argument in arguments[2:]]
    carried = [(carried_data(Path(source).read_text()), code_size(loader, module)) for module, _, source in named]
    folder.mkdir(exist_ok=True)
    for number, piece in enumerate(pieces((build / "blobs/__constant.bin").read_bytes(), carried)):
        (folder / str(number)).write_bytes(piece)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
