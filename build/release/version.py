"""Print the version of this tree, which comes from its tag and is never committed.

usage: version.py            as Python writes it: 1.2.3, or 1.2.3.dev4+g0123abc between tags
       version.py --semver   as the Worker and the agent protocol write it: 1.2.3-dev.4+g0123abc
       version.py --tag TAG  check that TAG is the release of this tree, and print its version

`SETUPTOOLS_SCM_PRETEND_VERSION` forces the version, which is how a release is rehearsed.
"""

import re
import subprocess
import sys
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
_RELEASE_TAG = re.compile(r"v((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){2})")


def current() -> str:
    """Return the version of this tree."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "version"], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout.strip()


def semver(version: str) -> str:
    """Return *version* in SemVer notation."""
    parsed = Version(version)
    release = ".".join(map(str, (*parsed.release, 0, 0)[:3]))
    before = [*map(str, parsed.pre or ()), *(["dev", str(parsed.dev)] if parsed.dev is not None else [])]
    return release + (f"-{'.'.join(before)}" if before else "") + (f"+{parsed.local}" if parsed.local else "")


def of_tag(tag: str, version: str) -> str:
    """Return the version that *tag* releases. Raises `SystemExit` when it is not the tag of a tree of *version*."""
    match = _RELEASE_TAG.fullmatch(tag)
    if not match:
        raise SystemExit(f"{tag} is not a release tag like v1.2.3")
    if match[1] != version:
        raise SystemExit(f"{tag}: this tree is {version}; check out the tag itself, with nothing changed")
    return version


def main(arguments: list[str]) -> int:
    """Print the version that the arguments ask for."""
    match arguments:
        case []:
            print(current())
        case ["--semver"]:
            print(semver(current()))
        case ["--tag", tag]:
            print(of_tag(tag, current()))
        case _:
            print(__doc__, file=sys.stderr)
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
