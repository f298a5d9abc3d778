import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.release.conftest import ROOT, VERSION, script

NAME = f"orch_executor_cf_worker-{VERSION}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    own = ROOT / "exec_cf" / "_version.py"
    before = own.read_bytes()
    done = script("package_python.py", VERSION, folder)
    assert done.returncode == 0, done.stderr
    assert own.read_bytes() == before
    return folder


def test_the_wheel_has_the_command_and_the_version(made: Path) -> None:
    wheel = zipfile.ZipFile(made / f"{NAME}-py3-none-any.whl")
    entry_points = wheel.read(f"{NAME}.dist-info/entry_points.txt").decode()
    assert "orch-executor-cf-worker = exec_cf.__main__:main" in entry_points
    assert wheel.read("exec_cf/_version.py").decode() == f'version = "{VERSION}"\n'


def test_both_carry_the_worker(made: Path) -> None:
    own = (ROOT / "exec_cf" / "_bundle.py").read_bytes()
    assert zipfile.ZipFile(made / f"{NAME}-py3-none-any.whl").read("exec_cf/_bundle.py") == own
    with tarfile.open(made / f"{NAME}.tar.gz") as sdist:
        packed = sdist.extractfile(f"{NAME}/exec_cf/_bundle.py")
        assert packed is not None
        assert packed.read() == own


def test_the_metadata_are_the_projects(made: Path) -> None:
    wheel = zipfile.ZipFile(made / f"{NAME}-py3-none-any.whl")
    metadata = message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.11"
    assert len(metadata.get_all("Requires-Dist", [])) >= 3


def test_the_sdist_holds_the_sources_and_no_build_of_ours(made: Path) -> None:
    with tarfile.open(made / f"{NAME}.tar.gz") as sdist:
        folders = {name.split("/")[1] for name in sdist.getnames()}
    assert {"exec_cf", "schemas", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= folders
    assert folders.isdisjoint({"tests", "build", "dist", "worker"})
