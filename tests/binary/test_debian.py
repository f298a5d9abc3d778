"""The file in a whole old and a whole new system, made by debootstrap: `make test-debian`, since that takes minutes."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.binary.conftest import is_ready, run
from tests.binary.places import in_namespace

SUITES = ("bullseye", "trixie")


@pytest.fixture(scope="module", params=SUITES)
def system(request: pytest.FixtureRequest, program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a minimal Debian of one suite, with the program in its path."""
    folder = tmp_path_factory.mktemp(request.param)
    folder.chmod(0o755)
    subprocess.run(["debootstrap", "--variant=minbase", request.param, folder, _mirror()], check=True)
    installed = folder / "usr/local/bin" / program.name
    installed.write_bytes(program.read_bytes())
    installed.chmod(0o755)
    return folder


def _mirror() -> str:
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


@pytest.mark.usefixtures("is_root")
def test_it_runs(system: Path, program: Path, health: str) -> None:
    place = shlex.quote(str(system))
    command = f"chroot {place} bash -c {program.name}"
    call = in_namespace([f"mount -t proc proc {place}/proc"], command)
    assert is_ready(run(call, health, {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}))


@pytest.mark.usefixtures("is_root")
def test_it_resolves_names(system: Path, program: Path, health: str) -> None:
    place = shlex.quote(str(system))
    call = in_namespace([f"mount -t proc proc {place}/proc"], f"chroot {place} bash -c {program.name}")
    (system / "etc/hosts").write_text("127.0.0.1 localhost worker.example.test\n")
    url = health.replace("127.0.0.1", "worker.example.test")
    assert is_ready(run(call, url, {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}))
