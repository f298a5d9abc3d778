import subprocess
from pathlib import Path

from tests.release.conftest import script


def test_the_usual_tool_reads_them(release: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=False)
    assert done.returncode == 0


def test_they_cover_every_file_but_what_a_build_leaves_beside(release: Path) -> None:
    for name in ("install.sh", "orch-cf-agent-worker-1.2.3.tgz", "orch-executor-cf-worker", "orch-executor.log"):
        (release / name).write_text(name)
    assert script("checksums.py", release).returncode == 0
    listed = {line.split("  ")[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    there = {file.name for file in release.iterdir()}
    assert there - listed == {"SHA256SUMS", "orch-executor-cf-worker", "orch-executor.log"}
