"""Build the sdist, and from it the pure wheel, for the platforms that have no binary.

usage: package_python.py VERSION FOLDER
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from platforms import PROGRAM
from project_page import project_page

ROOT = Path(__file__).resolve().parents[2]


# Included, since users who install the source distribution may not have Node to build it.
BUNDLE = "exec_cf/_bundle.py"


def copy_tree(target: Path) -> None:
    """Copy what git tracks, and the Worker's bundle: a build writes the version into sources, and not into this tree's.

    Raises `SystemExit` when the bundle is not there.
    """
    if not (ROOT / BUNDLE).is_file():
        raise SystemExit(f"{BUNDLE} is not there: run `make worker`")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in [BUNDLE, *filter(None, tracked.decode().split("\0"))]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def hatchling(kind: str, source: Path, version: str, folder: Path) -> None:
    """Build one distribution."""
    environ = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": version}
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, env=environ, check=True, stderr=subprocess.DEVNULL)


def main(arguments: list[str]) -> int:
    """Build both and print their names."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    version, folder = arguments[0], Path(arguments[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{PROGRAM.replace('-', '_')}-{version}"
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        copy_tree(tree)
        (tree / "README.md").write_text(project_page(ROOT, version))
        hatchling("sdist", tree, version, folder)
        with tarfile.open(folder / f"{name}.tar.gz") as packed:
            packed.extractall(scratch, filter="data")
        hatchling("wheel", Path(scratch, name), version, folder)
    print(folder / f"{name}.tar.gz", folder / f"{name}-py3-none-any.whl", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
