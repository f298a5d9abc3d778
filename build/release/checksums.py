"""Write `SHA256SUMS` over a release's files, as `sha256sum --check` reads it.

usage: checksums.py FOLDER
"""

import hashlib
import sys
from pathlib import Path

from platforms import PROGRAM

RELEASED = (
    f"{PROGRAM}-*.tar.gz",
    f"{PROGRAM}-*.cdx.json",
    f"{PROGRAM.replace('-', '_')}-*",
    "orch-cf-agent-worker-*",
    "install.sh",
)


def main(arguments: list[str]) -> int:
    """Write the file. Fails if the folder has files of two releases."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 64
    folder = Path(arguments[0])
    files = sorted({file.name for pattern in RELEASED for file in folder.glob(pattern)})
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in files]
    (folder / "SHA256SUMS").write_text("".join(lines))
    print(folder / "SHA256SUMS")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
