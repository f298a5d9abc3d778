"""Where the toolchain's sources come from when the archive does not have them: upstream, and only by their checksum."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.release.conftest import ROOT

CONTENT = b"a source"
PIN = "thing\tsuite\tthing_1.0.orig.tar.gz\t{sum}\t{url}\n"


def fetch(folder: Path, pin: str) -> subprocess.CompletedProcess[str]:
    """Fetch what *pin* says, with an archive that answers nothing."""
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    (folder / "tools").mkdir()
    for tool in ("apt-get", "apt-cache"):
        (folder / "tools" / tool).write_text("#!/bin/sh\nexit 100\n")
        (folder / "tools" / tool).chmod(0o755)
    shutil.copy(ROOT / "build/binary/toolchain/fetch.sh", folder)
    (folder / "sources.tsv").write_text(f"# a comment\n{pin}")
    (folder / "upstream").write_bytes(CONTENT)
    return subprocess.run(
        ["bash", folder / "fetch.sh", folder / "sources"],
        env={"PATH": f"{folder / 'tools'}:/usr/bin:/bin"},
        text=True,
        capture_output=True,
        check=False,
    )


def test_what_the_archive_has_no_more_comes_from_upstream(tmp_path: Path) -> None:
    pin = PIN.format(sum=hashlib.sha256(CONTENT).hexdigest(), url=(tmp_path / "upstream").as_uri())
    done = fetch(tmp_path, pin)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sources/thing_1.0.orig.tar.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["upstream", "nowhere"])
def test_another_content_or_none_stops_the_build(tmp_path: Path, place: str) -> None:
    done = fetch(tmp_path, PIN.format(sum="0" * 64, url=(tmp_path / place).as_uri()))
    assert done.returncode == 1
    assert f"thing_1.0.orig.tar.gz (SHA-256 {'0' * 64}) cannot be had from the archive or from upstream" in done.stderr


def test_a_source_without_another_place_stops_the_build(tmp_path: Path) -> None:
    done = fetch(tmp_path, PIN.format(sum="0" * 64, url="-"))
    assert done.returncode == 1
    assert "Put the newest into" in done.stderr
