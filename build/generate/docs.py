"""Generate the parts of the documentation that are derived from the code, or check that they are up to date.

usage: docs.py [--check]

All of `docs/errors.md` is generated, and in `README.md` the text between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from exec_cf.errors import EXIT_MEANING, Code, Exit
from exec_cf.settings import SETTINGS, Setting
from exec_cf.usage import VERBS

ROOT = Path(__file__).resolve().parents[2]

ERRORS_INTRO = """\
# Diagnostics

Every diagnostic has a stable code. Plain text leaves it out; `--format json` prints each diagnostic as one JSON object
per line, with `code`, `message`, `path` (the field), `line` and `column` (from 1; null if there is no position) and
`hint` (what to do). A release may add codes, but a code never changes its meaning or its exit code.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), ["---"] * len(list(head)), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def exits() -> str:
    """Return the table of exit codes."""
    rows = [(str(int(code)), meaning) for code, meaning in EXIT_MEANING.items()]
    return table(("exit", "meaning"), [*rows, ("any other", "reserved")])


def variables() -> str:
    """Return the table of environment variables."""
    return table(("variable", "meaning", "default"), [_variable(setting) for setting in SETTINGS])


def verbs() -> str:
    """Return the table of verbs."""
    return table(("call", "does"), [(f"`{verb.example}`", verb.summary) for verb in VERBS.values()])


def errors() -> str:
    """Return the page of all codes."""
    refusals = [(f"`{c.slug}`", str(int(c.exit_code)), c.meaning) for c in Code if c.exit_code is not Exit.OK]
    notes = [(f"`{c.slug}`", c.meaning) for c in Code if c.exit_code is Exit.OK]
    parts = {
        "Exit codes": exits(),
        "Errors": table(("code", "exit", "meaning"), refusals),
        "Information": table(("code", "meaning"), notes),
    }
    return ERRORS_INTRO + "".join(f"\n## {title}\n\n{text}" for title, text in parts.items())


def _variable(setting: Setting) -> tuple[str, str, str]:
    default = {True: "on", "": "unset"}.get(setting.default, str(setting.default))
    limit = f"; at most {setting.cap}" if setting.cap else ""
    return f"`{setting.name}`", setting.meaning + limit, default


PARTS: dict[str, Callable[[], str]] = {"exits": exits, "variables": variables, "verbs": verbs}


def filled(text: str) -> str:
    """Return *text* with every marked part regenerated."""
    for name, make in PARTS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        if found:
            text = before + begin + make() + end + rest.partition(end)[2]
    return text


def main(arguments: list[str]) -> int:
    """Write the generated files, or with `--check` name the stale ones."""
    readme = ROOT / "README.md"
    wanted = {ROOT / "docs" / "errors.md": errors(), readme: filled(readme.read_text())}
    stale = [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]
    for file in stale:
        if "--check" in arguments:
            print(f"{file.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
        else:
            file.write_text(wanted[file])
    return bool(stale) and "--check" in arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
