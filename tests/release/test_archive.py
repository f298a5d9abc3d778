import os
import tarfile
from pathlib import Path

import archive
import pytest


@pytest.fixture(autouse=True)
def _dated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def packed(folder: Path, mtime: int, mode: int, names: tuple[str, ...] = ("run", "LICENSE")) -> Path:
    """Pack two files that have been touched, permitted and named in their own way."""
    folder.mkdir()
    members = {}
    for name in names:
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
        os.utime(folder / name, (mtime, mtime))
        members[name] = folder / name
    archive.write(folder / "it-1.2.3.tar.gz", members, "run")
    return folder / "it-1.2.3.tar.gz"


def test_the_bytes_depend_on_the_members_alone(tmp_path: Path) -> None:
    one = packed(tmp_path / "one", 1, 0o600)
    two = packed(tmp_path / "two", 2_000_000, 0o777, ("LICENSE", "run"))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes()[4:8] == (1_700_000_000).to_bytes(4, "little")


def test_everything_is_in_one_folder_and_owned_by_nobody_in_particular(tmp_path: Path) -> None:
    with tarfile.open(packed(tmp_path / "one", 1, 0o600)) as tar:
        seen = {entry.name: (entry.mode, entry.uid, entry.uname, entry.mtime) for entry in tar}
    assert seen == {
        "it-1.2.3/LICENSE": (0o644, 0, "", 1_700_000_000),
        "it-1.2.3/run": (0o755, 0, "", 1_700_000_000),
    }
