"""The workflows' promises that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from platforms import PLATFORMS

from tests.release.conftest import ROOT, targets

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# Shell lines may only call what anyone can run: a target, or a script of `build/`.
ALLOWED = re.compile(
    r"(build/binary/in_debian\.sh )?make [a-z -]+|"
    r'build/release/[a-z_]+\.sh( "[$A-Z_/]+"| dist)*( >> "\$GITHUB_OUTPUT")?'
)


def load(file: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(file.read_text())
    return loaded


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in load(file)["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_shell_lines_only_call_targets_and_scripts(file: Path) -> None:
    for step in steps(file):
        if line := step.get("run"):
            assert ALLOWED.fullmatch(line), line
            for script in re.findall(r"build/[\w/]+\.sh", line):
                assert (ROOT / script).stat().st_mode & 0o111


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_target_is_there(file: Path) -> None:
    for step in steps(file):
        for called in re.findall(r"make ([a-z -]+)", step.get("run", "")):
            assert set(called.split()) <= targets()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_action_is_pinned_by_commit_with_its_version_beside(file: Path) -> None:
    for line in file.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: (\$/\S+|\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", line), line


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_nothing_is_permitted_but_to_a_job(file: Path) -> None:
    workflow = load(file)
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())


def test_one_action_has_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for name, pin in re.findall(r"uses: (\S+)@(\S+ # \S+)", "\n".join(file.read_text() for file in WORKFLOWS)):
        pins.setdefault(name, set()).add(pin)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


def test_a_release_by_hand_is_dry_unless_told_otherwise_and_never_cancelled() -> None:
    workflow = load(ROOT / ".github/workflows/release.yml")
    assert workflow[True]["workflow_dispatch"]["inputs"]["dry_run"]["default"] is True
    assert workflow["concurrency"]["cancel-in-progress"] is False
    for name, job in workflow["jobs"].items():
        writes = {scope for scope, access in job["permissions"].items() if access == "write"}
        assert not writes or "needs.plan.outputs.publish == 'true'" in job["if"], name


@pytest.mark.parametrize("job", ["binary", "install"])
def test_every_platform_of_the_table_has_its_jobs(job: str) -> None:
    matrix = load(ROOT / ".github/workflows/packages.yml")["jobs"][job]["strategy"]["matrix"]["include"]
    assert [row["platform"] for row in matrix] == list(PLATFORMS)


def test_a_superseded_run_of_ci_is_cancelled() -> None:
    assert load(ROOT / ".github/workflows/ci.yml")["concurrency"]["cancel-in-progress"] is True
