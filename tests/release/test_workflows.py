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
    r'build/release/[a-z_]+\.sh( "[$A-Z_/]+"| "\$\{GITHUB_REF_NAME#v\}"| dist)*( >> "\$GITHUB_OUTPUT")?'
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


# How the condition of each job begins that can publish, attest or use a secret, and where it runs. The settings of the
# environment are out of reach of what a tag or branch contains, and so are the event and the form that was filled in.
GATE = (
    "github.ref_type == 'tag' && "
    "(github.event_name == 'push' || (github.event_name == 'workflow_dispatch' && !inputs.dry_run))"
)
ENVIRONMENT = "release"


def can_publish(job: dict[str, Any], inherited: Any) -> bool:
    """Return whether *job* can write anything outside of its run, or sign, or use a secret."""
    permissions = job.get("permissions", inherited)
    if isinstance(permissions, str) or permissions is None:
        return permissions != "read-all"
    return "write" in permissions.values() or "environment" in job or "secrets" in yaml.safe_dump(job)


def is_gated(job: dict[str, Any]) -> bool:
    """Return whether *job* runs only where the gate holds, whatever else its condition says."""
    condition = " ".join(str(job.get("if", "")).split())
    condition = re.sub(r"^\$\{\{ ?(.*?) ?\}\}$", r"\1", condition)
    more = condition.removeprefix(GATE)
    if more == condition or (more and not re.fullmatch(r" && [^|]+", more)):
        return False
    environment = job.get("environment")
    return (environment.get("name") if isinstance(environment, dict) else environment) == ENVIRONMENT


def ungated(workflow: dict[Any, Any]) -> list[str]:
    """Return the names of the jobs of *workflow* that could publish on a dry run, or at the word of what is judged."""
    inherited = workflow.get("permissions")
    return [name for name, job in workflow["jobs"].items() if can_publish(job, inherited) and not is_gated(job)]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_job_publishes_on_a_dry_run_or_because_of_what_it_checks(file: Path) -> None:
    assert ungated(load(file)) == []


def test_what_publishes_today_is_seen_as_such() -> None:
    workflow = load(ROOT / ".github/workflows/release.yml")
    publishing = [name for name, job in workflow["jobs"].items() if can_publish(job, workflow["permissions"])]
    assert publishing == ["attest", "pypi", "github", "image"]


GOOD = {"permissions": {"contents": "write"}, "environment": ENVIRONMENT, "if": GATE}
BAD: list[dict[str, Any]] = [
    GOOD | {"if": "needs.plan.outputs.publish == 'true'"},
    GOOD | {"if": "github.event_name == 'push' || !inputs.dry_run"},
    GOOD | {"if": f"{GATE} || needs.plan.outputs.publish == 'true'"},
    GOOD | {"if": f"{GATE} && vars.IMAGE != '' || always()"},
    GOOD | {"if": f"always() || {GATE}"},
    GOOD | {"if": f"!({GATE})"},
    GOOD | {"if": f"{GATE}s"},
    GOOD | {"environment": "pypi"},
    GOOD | {"environment": {"name": "${{ needs.plan.outputs.environment }}"}},
    {key: value for key, value in GOOD.items() if key != "if"},
    {key: value for key, value in GOOD.items() if key != "environment"},
    {"permissions": {"id-token": "write"}},
    {"permissions": {"attestations": "write"}, "if": GATE},
    {"permissions": "write-all"},
    {"permissions": {}, "environment": ENVIRONMENT},
    {"permissions": {"contents": "read"}, "steps": [{"run": "make", "env": {"TOKEN": "${{ secrets.TOKEN }}"}}]},
    {"permissions": {"contents": "read"}, "uses": "$/.github/workflows/other.yml", "secrets": "inherit"},
    {"permissions": {"packages": "write"}, "uses": "$/.github/workflows/other.yml", "if": GATE},
    {},
]


@pytest.mark.parametrize("job", BAD, ids=range(len(BAD)))
def test_a_job_that_is_added_without_the_gate_is_found(job: dict[str, Any]) -> None:
    workflow = load(ROOT / ".github/workflows/release.yml")
    workflow["jobs"]["later"] = job
    if not job:
        del workflow["permissions"]
    assert "later" in ungated(workflow)


@pytest.mark.parametrize("more", ["", " && vars.IMAGE != ''", " && !cancelled()"])
def test_a_job_behind_the_gate_may_ask_for_more(more: str) -> None:
    job = GOOD | {"if": f"${{{{ {GATE}{more} }}}}", "environment": {"name": ENVIRONMENT, "url": "https://a.example"}}
    assert ungated({"permissions": {}, "jobs": {"later": job}}) == []


def test_a_release_by_hand_is_dry_by_default_and_never_cancelled() -> None:
    workflow = load(ROOT / ".github/workflows/release.yml")
    assert set(workflow[True]) == {"push", "workflow_dispatch"}
    assert workflow[True]["push"] == {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}
    dry_run = workflow[True]["workflow_dispatch"]["inputs"]["dry_run"]
    assert (dry_run["default"], dry_run["type"]) == (True, "boolean")
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_what_is_built_and_published_is_what_the_run_was_started_on() -> None:
    for file in WORKFLOWS:
        for step in steps(file):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert not {"ref", "repository"} & set(step["with"]), file
    for name, job in load(ROOT / ".github/workflows/release.yml")["jobs"].items():
        if "environment" in job:
            assert "needs.plan" not in yaml.safe_dump(job), name


def test_the_image_is_attested_by_the_digest_that_was_pushed() -> None:
    image = load(ROOT / ".github/workflows/release.yml")["jobs"]["image"]["steps"]
    pushed = [step.get("id") for step in image].index("push")
    assert "publish_images.sh" in image[pushed]["run"]
    attested = image[pushed + 1]
    assert attested["uses"].startswith("actions/attest@")
    assert attested["with"]["subject-digest"] == "${{ steps.push.outputs.digest }}"


@pytest.mark.parametrize("job", ["binary", "install"])
def test_every_platform_of_the_table_has_its_jobs(job: str) -> None:
    matrix = load(ROOT / ".github/workflows/packages.yml")["jobs"][job]["strategy"]["matrix"]["include"]
    assert [row["platform"] for row in matrix] == list(PLATFORMS)


def test_a_superseded_run_of_ci_is_cancelled() -> None:
    assert load(ROOT / ".github/workflows/ci.yml")["concurrency"]["cancel-in-progress"] is True
