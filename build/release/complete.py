"""Check that a folder holds one release for every platform: nothing missing, nothing besides.

usage: complete.py VERSION FOLDER
"""

import sys
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


def main(arguments: list[str]) -> int:
    """Name what is wrong, a line each."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    wanted, there = expected(arguments[0]), {file.name for file in Path(arguments[1]).iterdir()}
    wrong = [f"missing: {name}" for name in sorted(wanted - there)]
    wrong += [f"not of the release: {name}" for name in sorted(there - wanted)]
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
