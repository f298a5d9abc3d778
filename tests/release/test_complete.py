from pathlib import Path

from complete import expected
from platforms import PLATFORMS

from tests.release.conftest import script


def test_a_whole_release_passes(tmp_path: Path) -> None:
    for name in expected("1.2.3"):
        (tmp_path / name).touch()
    assert script("complete.py", "1.2.3", tmp_path).returncode == 0


def test_what_is_missing_or_strange_is_named(tmp_path: Path) -> None:
    for name in expected("1.2.3") - {"install.sh"}:
        (tmp_path / name).touch()
    (tmp_path / "orch-executor-cf-worker-1.2.2-linux-x86_64.tar.gz").touch()
    done = script("complete.py", "1.2.3", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "missing: install.sh",
        "not of the release: orch-executor-cf-worker-1.2.2-linux-x86_64.tar.gz",
    ]


def test_a_release_is_three_files_a_platform_and_six_besides() -> None:
    assert len(expected("1.2.3")) == len(PLATFORMS) * 3 + 6
