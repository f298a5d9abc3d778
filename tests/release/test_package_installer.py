from pathlib import Path

import pytest
from package_installer import installer

from tests.release.conftest import ROOT, script

HOME = "https://forge.example/owner/name/releases/download/v1.2.3"


def test_a_release_fills_in_where_its_files_are(tmp_path: Path) -> None:
    environ = {"GITHUB_SERVER_URL": "https://forge.example", "GITHUB_REPOSITORY": "owner/name"}
    assert script("package_installer.py", "1.2.3", tmp_path, env=environ).returncode == 0
    made = (tmp_path / "install.sh").read_text()
    assert f"\nhome={HOME}\n" in made
    assert made.replace(f"\nhome={HOME}\n", "\nhome=\n") == (ROOT / "install.sh").read_text()


def test_without_a_repository_the_place_stays_open(tmp_path: Path) -> None:
    assert script("package_installer.py", "1.2.3", tmp_path, env={}).returncode == 0
    assert (tmp_path / "install.sh").read_text() == (ROOT / "install.sh").read_text()


def test_an_installer_without_the_line_to_fill_in_is_an_error() -> None:
    with pytest.raises(SystemExit, match="exactly one line"):
        installer("#!/bin/sh\n", HOME)
