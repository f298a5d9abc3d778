"""Write the module that contains the Worker's bundle and its configuration from `wrangler.toml`.

usage: bundle.py WORKER VERSION MODULE

WORKER is the Worker's folder, after a build; VERSION is the version that the bundle reports, in its own notation. The
output is reproducible.
"""

import sys
import tomllib
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

# The settings that `--deploy` supports; any other would be lost silently.
KNOWN = {
    "name",
    "main",
    "no_bundle",
    "compatibility_date",
    "compatibility_flags",
    "durable_objects",
    "migrations",
    "observability",
    "triggers",
}


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of *config* that a deployment needs. Raises `SystemExit` for unsupported ones."""
    if unknown := config.keys() - KNOWN:
        raise SystemExit(f"wrangler.toml: {', '.join(sorted(unknown))}: --deploy does not support this")
    migrations = config["migrations"]
    if unknown := {key for migration in migrations for key in migration} - {"tag", "new_sqlite_classes"}:
        raise SystemExit(f"wrangler.toml: migrations: {', '.join(sorted(unknown))}: --deploy does not support this")
    return {
        "name": config["name"],
        "compatibility_date": config["compatibility_date"],
        "compatibility_flags": config.get("compatibility_flags", []),
        "namespaces": {each["name"]: each["class_name"] for each in config["durable_objects"]["bindings"]},
        "migrations": migrations,
        "observability": config.get("observability", {}),
        "crons": config.get("triggers", {}).get("crons", []),
    }


def module(code: bytes, version: str, config: dict[str, Any]) -> str:
    """Return the text of the module."""
    return (
        f'"""The Worker bundle; written by build/generate/bundle.py."""\n\n'
        f"VERSION = {version!r}\n"
        f"SHA256 = {sha256(code).hexdigest()!r}\n"
        f"SETTINGS = {settings(config)!r}\n"
        f"COMPRESSED = {zlib.compress(code, 9)!r}\n"
    )


def main(arguments: list[str]) -> int:
    """Write the module if it changed."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    worker, version, target = Path(arguments[0]), arguments[1], Path(arguments[2])
    config = tomllib.loads((worker / "wrangler.toml").read_text())
    text = module((worker / config["main"]).read_bytes(), version, config)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
