import subprocess

import pytest

from tests.release.conftest import ROOT, VERSION


def plan(event: str, dry_run: str, ref: str) -> "subprocess.CompletedProcess[str]":
    """Ask what a run of the workflow is to build, in a tree whose version is forced."""
    command = [str(ROOT / "build/release_plan.sh"), event, dry_run, ref]
    environ = {"SETUPTOOLS_SCM_PRETEND_VERSION": VERSION, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=ROOT, env=environ, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("ref", ["main", "v1.2.3"])
def test_a_dry_run_builds_any_ref_and_publishes_nothing(ref: str) -> None:
    lines = plan("workflow_dispatch", "true", ref).stdout.splitlines()
    assert lines[0] == f"version={VERSION}"
    assert lines[1].startswith("commit=")
    assert lines[2] == "publish=false"


@pytest.mark.parametrize(("event", "dry_run"), [("push", ""), ("workflow_dispatch", "false")])
@pytest.mark.parametrize("ref", ["main", "v1.2.4", "$(id)"])
def test_only_the_tag_of_the_tree_is_published(event: str, dry_run: str, ref: str) -> None:
    done = plan(event, dry_run, ref)
    assert done.returncode != 0
    assert done.stdout == ""
