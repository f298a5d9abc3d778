"""Package the Worker's bundle with the configuration that deploys it as it is, and its SBOM, into a folder.

usage: package_worker.py WORKER VERSION FOLDER

WORKER is the Worker's folder, built; VERSION is the release's, as Python writes it.
"""

import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import archive
from version import semver

ROOT = Path(__file__).resolve().parents[2]
NAME = "orch-cf-agent-worker"


def members(worker: Path) -> dict[str, Path]:
    """Return the archive's contents. Raises `SystemExit` if deploying them would need a build."""
    config = tomllib.loads((worker / "wrangler.toml").read_text())
    bundle = config.get("main", "")
    if not (worker / bundle).is_file():
        raise SystemExit(f"{worker / 'wrangler.toml'}: main names {bundle!r}, which is not there: run `make worker`")
    if not config.get("no_bundle") or "build" in config:
        raise SystemExit(f"{worker / 'wrangler.toml'}: asks for a build; set no_bundle and drop [build]")
    own = {name: worker / name for name in ("wrangler.toml", bundle, "README.md")}
    return {**own, "LICENSE": ROOT / "LICENSE"}


def sbom(worker: Path, version: str) -> dict[str, Any]:
    """Return the CycloneDX document of the bundle's locked packages; reproducible for a release."""
    command = "npm sbom --package-lock-only --omit dev --omit optional --sbom-format cyclonedx --sbom-type application"
    made = subprocess.run(command.split(), cwd=worker, check=True, text=True, stdout=subprocess.PIPE).stdout
    own: dict[str, str] = json.loads(made)["metadata"]["component"]
    document: dict[str, Any] = json.loads(made.replace(own["bom-ref"], f"{NAME}@{version}"))
    document.pop("serialNumber")
    document["metadata"]["timestamp"] = datetime.fromtimestamp(archive.source_date(), UTC).isoformat()
    document["metadata"]["component"] |= {"name": NAME, "version": version}
    return document


def main(arguments: list[str]) -> int:
    """Write both files and print their names."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    worker, version, folder = Path(arguments[0]), arguments[1], Path(arguments[2])
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / f"{NAME}-{version}.tgz"
    archive.write(packed, members(worker))
    described = folder / f"{NAME}-{version}.cdx.json"
    described.write_text(json.dumps(sbom(worker, semver(version)), indent=2) + "\n")
    print(packed, described, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
