"""What a run of the release workflow is told to build, asked in real clones of a small copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.release.conftest import ROOT

NOTES = "# Changelog\n\n## 1.2.3\n\n- New: this.\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone at the tag v1.2.3 of its main branch."""
    folder = tmp_path / "origin"
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    (folder / "build/release").mkdir(parents=True)
    for name in ("release_plan.sh", "release_notes.py", "version.py"):
        shutil.copy(ROOT / "build/release" / name, folder / "build/release")
    (folder / "CHANGELOG.md").write_text(NOTES)
    git(folder, "init", "--quiet")
    commit(folder, "release")
    git(folder, "tag", "v1.2.3")
    git(tmp_path, "clone", "--quiet", str(folder), "clone")
    (tmp_path / "clone/.venv").symlink_to(ROOT / ".venv")
    with (tmp_path / "clone/.git/info/exclude").open("a") as exclude:
        exclude.write(".venv\n")
    return tmp_path / "clone"


def plan(clone: Path, *tag: str) -> subprocess.CompletedProcess[str]:
    """Ask for the plan of one run."""
    command = ["build/release/release_plan.sh", *tag]
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(command, cwd=clone, env=environ, text=True, capture_output=True, check=False)


def test_a_tag_of_main_is_released(clone: Path) -> None:
    done = plan(clone, "v1.2.3")
    assert done.stdout == "version=1.2.3\n", done.stderr


@pytest.mark.parametrize("tag", [[], [""]], ids=["none", "empty"])
def test_a_dry_run_takes_any_tree(clone: Path, tag: list[str]) -> None:
    assert plan(clone, *tag).stdout == "version=1.2.3\n"


def test_between_tags_the_version_says_so(clone: Path) -> None:
    commit(clone, "more")
    first = plan(clone).stdout.splitlines()[0]
    assert re.fullmatch(r"version=1\.2\.4\.dev1\+g[0-9a-f]{7,}", first)


@pytest.mark.parametrize("ref", ["main", "v1.2.4", "$(id)"])
def test_a_ref_that_is_not_the_trees_tag_is_refused(clone: Path, ref: str) -> None:
    done = plan(clone, ref)
    assert (done.returncode, done.stdout) == (1, "")
    assert ref in done.stderr


def test_a_tree_past_its_tag_is_refused(clone: Path) -> None:
    commit(clone, "more")
    git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/other")
    git(clone, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert "check out the tag" in plan(clone, "v1.2.3").stderr


def test_a_commit_that_main_does_not_have_is_refused(clone: Path) -> None:
    (clone / "README.md").write_text("# other\n")
    commit(clone, "astray")
    git(clone, "tag", "--force", "v1.2.3")
    assert "not on main" in plan(clone, "v1.2.3").stderr


def test_a_release_without_notes_is_refused(clone: Path) -> None:
    git(clone, "tag", "v1.2.4")
    git(clone, "tag", "--delete", "v1.2.3")
    done = plan(clone, "v1.2.4")
    assert (done.returncode, done.stdout) == (1, "")
    assert "says nothing of 1.2.4" in done.stderr
