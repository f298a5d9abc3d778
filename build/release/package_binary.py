"""Package one platform's binary into a folder: an archive, a wheel with only the binary, and its SBOM.

usage: package_binary.py BINARY SBOM PLATFORM VERSION FOLDER
"""

import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import archive
from executable import MisfitError, check
from hatchling.builders.wheel import WheelBuilder
from platforms import PROGRAM, Platform, named
from project_page import project_page

ROOT = Path(__file__).resolve().parents[2]


class BinaryWheelBuilder(WheelBuilder):
    """A wheel for one platform and any version of Python."""

    tag: str

    def get_default_build_data(self) -> dict[str, Any]:
        """Return the defaults with a tag for the platform instead of an interpreter."""
        return {**super().get_default_build_data(), "pure_python": False, "tag": self.tag}


def wheel(binary: Path, sbom: Path, platform: Platform, version: str, folder: Path) -> Path:
    """Build the wheel from the project's metadata, without its dependencies and required Python version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for field in ("dependencies", "scripts", "requires-python", "dynamic"):
        project.pop(field, None)
    target = {"bypass-selection": True, "shared-scripts": {PROGRAM: PROGRAM}, "sbom-files": [f"{PROGRAM}.cdx.json"]}
    config = {
        "project": {**project, "version": version},
        "tool": {"hatch": {"build": {"targets": {"wheel": target}}}},
    }
    with tempfile.TemporaryDirectory() as root:
        staged = Path(root, PROGRAM)
        shutil.copy(binary, staged)
        staged.chmod(0o755)
        shutil.copy(sbom, Path(root, f"{PROGRAM}.cdx.json"))
        shutil.copy(ROOT / "LICENSE", root)
        Path(root, "README.md").write_text(project_page(ROOT, version))
        builder = BinaryWheelBuilder(root, config=config)
        builder.tag = platform.wheel_tag
        return Path(next(builder.build(directory=str(folder), versions=["standard"])))


def main(arguments: list[str]) -> int:
    """Write the three files and print their names."""
    if len(arguments) != 5:
        print(__doc__, file=sys.stderr)
        return 64
    binary, sbom, platform, version, folder = arguments
    row, out = named(platform), Path(folder)
    for needed in (binary, sbom):
        if not Path(needed).is_file():
            print(f"{needed} is not there: run `make binary`", file=sys.stderr)
            return 1
    try:
        check(Path(binary), row)
    except MisfitError as error:
        print(f"{binary} {error}", file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)
    packed = out / f"{PROGRAM}-{version}-{row.name}.tar.gz"
    archive.write(
        packed, {PROGRAM: Path(binary), "LICENSE": ROOT / "LICENSE", "README.md": ROOT / "README.md"}, PROGRAM
    )
    described = out / f"{PROGRAM}-{version}-{row.name}.cdx.json"
    shutil.copy(sbom, described)
    print(packed, described, wheel(Path(binary), Path(sbom), row, version, out), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
