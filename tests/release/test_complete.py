import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from complete import expected
from platforms import PLATFORMS

from tests.release.conftest import script

VERSION = "1.2.3"
CODE = b"export default {};"
DIGEST = hashlib.sha256(CODE).hexdigest().encode()


def pack(file: Path, members: dict[str, bytes]) -> None:
    """Write an archive of the kind that its name says."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file, "w") as wheel:
            for name, data in members.items():
                wheel.writestr(name, data)
    else:
        with tarfile.open(file, "w:gz") as archive:
            for name, data in members.items():
                member = tarfile.TarInfo(f"a-folder/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a folder with a whole release, whose every package carries one Worker."""
    for name in expected(VERSION):
        if "worker-1.2.3.tgz" in name:
            pack(tmp_path / name, {"dist/index.js": CODE})
        elif name.endswith("py3-none-any.whl"):
            pack(tmp_path / name, {"exec_cf/_bundle.py": DIGEST})
        elif name.endswith(".whl"):
            pack(tmp_path / name, {"a.data/scripts/orch-executor-cf-worker": b"\0" + DIGEST})
        elif name == f"orch_executor_cf_worker-{VERSION}.tar.gz":
            pack(tmp_path / name, {"exec_cf/_bundle.py": DIGEST})
        elif name.endswith(".tar.gz"):
            pack(tmp_path / name, {"orch-executor-cf-worker": b"\0" + DIGEST})
        else:
            (tmp_path / name).touch()
    return tmp_path


def test_a_whole_release_passes(release: Path) -> None:
    done = script("complete.py", VERSION, release)
    assert done.returncode == 0, done.stderr


def test_what_is_missing_or_strange_is_named(release: Path) -> None:
    (release / "install.sh").unlink()
    (release / "orch-executor-cf-worker-1.2.2-linux-x86_64.tar.gz").touch()
    done = script("complete.py", VERSION, release)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "missing: install.sh",
        "not of the release: orch-executor-cf-worker-1.2.2-linux-x86_64.tar.gz",
    ]


def test_a_package_with_another_worker_is_named(release: Path) -> None:
    for name in (f"orch-executor-cf-worker-{VERSION}-linux-x86_64.tar.gz", f"orch_executor_cf_worker-{VERSION}.tar.gz"):
        pack(release / name, {"orch-executor-cf-worker": b"another", "exec_cf/_bundle.py": b"another"})
    pack(release / f"orch_executor_cf_worker-{VERSION}-py3-none-any.whl", {"exec_cf/cli.py": DIGEST})
    done = script("complete.py", VERSION, release)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"carries another Worker: orch-executor-cf-worker-{VERSION}-linux-x86_64.tar.gz",
        f"carries another Worker: orch_executor_cf_worker-{VERSION}-py3-none-any.whl",
        f"carries another Worker: orch_executor_cf_worker-{VERSION}.tar.gz",
    ]


def test_a_release_is_three_files_a_platform_and_six_besides() -> None:
    assert len(expected(VERSION)) == len(PLATFORMS) * 3 + 6
