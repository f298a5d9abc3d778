"""Print what `CHANGELOG.md` says of a version.

usage: release_notes.py VERSION
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
_HEADING = re.compile(r"^## (\S+).*$", re.MULTILINE)


def notes(changelog: str, version: str) -> str:
    """Return the section of *version*. Raises `SystemExit` when there is none, or an empty one."""
    headings = list(_HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading[1] == version:
            text = changelog[heading.end() : following.start() if following else None].strip()
            if text:
                return text
    raise SystemExit(f"CHANGELOG.md says nothing of {version}: write a section `## {version}` and tag that commit")


def main(arguments: list[str]) -> int:
    """Print the section."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 64
    print(notes(CHANGELOG.read_text(), arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
