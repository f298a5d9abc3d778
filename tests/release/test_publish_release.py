"""`publish_release.sh` with a stand-in for GitHub that keeps its rules: a tag has one release, and files need one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import ROOT

GH = """\
#!{python}
import json, pathlib, sys
state = pathlib.Path({state!r})
releases = json.loads(state.read_text())
match sys.argv[1:]:
    case ["release", "view", tag, "--json", "isDraft", "--jq", ".isDraft"]:
        if tag not in releases:
            sys.exit("release not found")
        print(json.dumps(releases[tag]["draft"]))
    case ["release", "delete", tag, "--yes"]:
        del releases[tag]
    case ["release", "create", tag, "--draft", "--verify-tag", "--title", title, "--notes-file", notes, *files]:
        if tag in releases:
            sys.exit("a release with the same tag name already exists")
        names = [pathlib.Path(file).name for file in files if pathlib.Path(file).is_file()]
        releases[tag] = dict(draft=True, title=title, notes=pathlib.Path(notes).read_text(), files=names)
    case ["release", "edit", tag, "--draft=false", "--latest"]:
        releases[tag]["draft"] = False
    case other:
        sys.exit(f"unknown call: {{other}}")
state.write_text(json.dumps(releases))
"""
PUBLIC = {"draft": False, "title": "1.2.3", "notes": "as it was", "files": ["install.sh"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with notes for 1.2.3, a folder with two files, and `gh`."""
    (tmp_path / "build/release").mkdir(parents=True)
    for name in ("publish_release.sh", "release_notes.py"):
        (tmp_path / "build/release" / name).write_text((ROOT / "build/release" / name).read_text())
    (tmp_path / "CHANGELOG.md").write_text("## 1.2.3\n\n- New: this.\n")
    (tmp_path / "dist").mkdir()
    for name in ("install.sh", "SHA256SUMS"):
        (tmp_path / "dist" / name).touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH.format(python=sys.executable, state=str(tmp_path / "state")))
    (tmp_path / "bin/gh").chmod(0o755)
    return tmp_path


def publish(project: Path, version: str, releases: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Publish *version* where *releases* are there already, and return the exit code and what is there then."""
    (project / "state").write_text(json.dumps(releases))
    environ = {"PATH": f"{project / 'bin'}:{os.environ['PATH']}"}
    command = ["sh", str(project / "build/release/publish_release.sh"), version, str(project / "dist")]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    after: dict[str, Any] = json.loads((project / "state").read_text())
    return done.returncode, after


@pytest.mark.parametrize("before", [{}, {"v1.2.3": {**PUBLIC, "draft": True}}], ids=["first", "after a failure"])
def test_the_release_appears_whole_with_its_notes(project: Path, before: dict[str, Any]) -> None:
    code, after = publish(project, "1.2.3", before)
    assert code == 0
    assert after["v1.2.3"] == {
        "draft": False,
        "title": "1.2.3",
        "notes": "- New: this.\n",
        "files": ["SHA256SUMS", "install.sh"],
    }


def test_what_is_public_is_not_touched(project: Path) -> None:
    code, after = publish(project, "1.2.3", {"v1.2.3": PUBLIC})
    assert (code, after) == (0, {"v1.2.3": PUBLIC})


def test_without_notes_nothing_is_made(project: Path) -> None:
    code, after = publish(project, "1.2.4", {})
    assert (code, after) == (1, {})
