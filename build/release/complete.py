"""Check that a folder contains a complete release: every file, no other, and the same Worker in every package.

usage: complete.py VERSION FOLDER
"""

import hashlib
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from package_worker import NAME as WORKER
from platforms import PLATFORMS, PROGRAM


def expected(version: str) -> set[str]:
    """Return the names of a release's files."""
    package = f"{PROGRAM.replace('-', '_')}-{version}"
    names = {"install.sh", "SHA256SUMS", f"{WORKER}-{version}.tgz", f"{WORKER}-{version}.cdx.json"}
    names |= {f"{package}.tar.gz", f"{package}-py3-none-any.whl"}
    for row in PLATFORMS.values():
        archive = f"{PROGRAM}-{version}-{row.name}"
        names |= {f"{archive}.tar.gz", f"{archive}.cdx.json", f"{package}-{row.wheel_tag}.whl"}
    return names


def other_workers(folder: Path, version: str) -> Iterator[str]:
    """Yield the packages whose Worker differs from the one in the Worker's own archive."""
    package = f"{PROGRAM.replace('-', '_')}-{version}"
    with tarfile.open(folder / f"{WORKER}-{version}.tgz") as archive:
        digest = hashlib.sha256(_member(archive, "index.js")).hexdigest().encode()
    for row in PLATFORMS.values():
        with tarfile.open(folder / f"{PROGRAM}-{version}-{row.name}.tar.gz") as archive:
            if digest not in _member(archive, PROGRAM):
                yield f"{PROGRAM}-{version}-{row.name}.tar.gz"
        if not _in_wheel(folder / f"{package}-{row.wheel_tag}.whl", PROGRAM, digest):
            yield f"{package}-{row.wheel_tag}.whl"
    if not _in_wheel(folder / f"{package}-py3-none-any.whl", "_bundle.py", digest):
        yield f"{package}-py3-none-any.whl"
    with tarfile.open(folder / f"{package}.tar.gz") as archive:
        if digest not in _member(archive, "_bundle.py"):
            yield f"{package}.tar.gz"


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the first file of that name in any folder; empty if there is none."""
    for member in archive:
        opened = archive.extractfile(member) if Path(member.name).name == name else None
        if opened:
            return opened.read()
    return b""


def _in_wheel(wheel: Path, name: str, digest: bytes) -> bool:
    with zipfile.ZipFile(wheel) as archive:
        return any(digest in archive.read(entry) for entry in archive.namelist() if Path(entry).name == name)


def main(arguments: list[str]) -> int:
    """Print each fault on a line, and return the exit code."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    wanted, there = expected(arguments[0]), {file.name for file in Path(arguments[1]).iterdir()}
    wrong = [f"missing: {name}" for name in sorted(wanted - there)]
    wrong += [f"not of the release: {name}" for name in sorted(there - wanted)]
    if not wrong:
        wrong = [f"carries another Worker: {name}" for name in other_workers(Path(arguments[1]), arguments[0])]
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
