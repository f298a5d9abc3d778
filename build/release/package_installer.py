"""Write a release's `install.sh`: the tree's own, with the URL of that release's files.

usage: package_installer.py VERSION FOLDER

Without `GITHUB_SERVER_URL` and `GITHUB_REPOSITORY` the place stays open, and the installer asks for `--from`.
"""

import sys
from pathlib import Path

from project_page import repository

ROOT = Path(__file__).resolve().parents[2]
BLANK = "\nhome=\n"


def installer(text: str, home: str) -> str:
    """Return the installer *text* with *home*, the URL of a release's files, filled in."""
    if text.count(BLANK) != 1:
        raise SystemExit("install.sh: expected exactly one line `home=` to fill in")
    return text.replace(BLANK, f"\nhome={home}\n")


def main(arguments: list[str]) -> int:
    """Write the file and print its name."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    version, folder = arguments[0], Path(arguments[1])
    home = f"{repository()}/releases/download/v{version}" if repository() else ""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "install.sh"
    script.write_text(installer((ROOT / "install.sh").read_text(), home))
    script.chmod(0o755)
    print(script)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
