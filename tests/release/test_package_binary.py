import csv
import hashlib
import io
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from email import message_from_bytes
from pathlib import Path

import pytest
from platforms import PLATFORMS

from tests.release.conftest import PROGRAM, ROOT, VERSION, script

PREFIX = f"orch_executor_cf_worker-{VERSION}"
SCRIPT = f"{PREFIX}.data/scripts/{PROGRAM}"


@pytest.fixture
def wheel(release: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(release.glob("*.whl")))


def test_the_wheel_holds_the_binary_and_nothing_that_runs_besides(wheel: zipfile.ZipFile, binary: Path) -> None:
    assert [name for name in wheel.namelist() if not name.startswith(f"{PREFIX}.dist-info/")] == [SCRIPT]
    assert wheel.read(SCRIPT) == binary.read_bytes()
    assert wheel.getinfo(SCRIPT).external_attr >> 16 & 0o777 == 0o755


def test_the_wheel_holds_its_sbom_and_licence(wheel: zipfile.ZipFile, binary: Path) -> None:
    sbom = wheel.read(f"{PREFIX}.dist-info/sboms/{PROGRAM}.cdx.json")
    assert sbom == binary.with_name(f"{PROGRAM}.cdx.json").read_bytes()
    assert wheel.read(f"{PREFIX}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_the_record_lists_every_file_with_its_hash(wheel: zipfile.ZipFile) -> None:
    rows = list(csv.reader(io.StringIO(wheel.read(f"{PREFIX}.dist-info/RECORD").decode())))
    assert sorted(row[0] for row in rows) == sorted(wheel.namelist())
    for name, digest, size in rows:
        if digest:
            data = wheel.read(name)
            hashed = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={hashed}", str(len(data)))


def test_the_metadata_ask_for_no_python_and_no_dependency(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_bytes(wheel.read(f"{PREFIX}.dist-info/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == (PROGRAM, VERSION)
    assert metadata["Requires-Dist"] is None
    assert metadata["Requires-Python"] is None
    described = metadata.get_payload(decode=True)
    assert isinstance(described, bytes)
    assert described.decode() == (ROOT / "README.md").read_text()


def test_the_tags_are_the_platforms(wheel: zipfile.ZipFile, platform_name: str) -> None:
    text = message_from_bytes(wheel.read(f"{PREFIX}.dist-info/WHEEL"))
    wanted = {f"py3-none-{part}" for part in PLATFORMS[platform_name].wheel.split(".")}
    assert set(text.get_all("Tag", [])) == wanted
    assert text["Root-Is-Purelib"] == "false"


def test_the_archive_holds_the_binary_the_licence_and_the_readme(release: Path, platform_name: str) -> None:
    name = f"{PROGRAM}-{VERSION}-{platform_name}"
    with tarfile.open(release / f"{name}.tar.gz") as tar:
        assert sorted(tar.getnames()) == [f"{name}/{member}" for member in ("LICENSE", "README.md", PROGRAM)]


def test_two_builds_are_the_same_to_the_byte(
    binary: Path, platform_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        assert script("package_binary.py", binary, f"{binary}.cdx.json", platform_name, VERSION, folder).returncode == 0
        made.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert made[0] == made[1]
    assert len(made[0]) == 3


def test_a_binary_of_another_platform_is_not_packaged(binary: Path, platform_name: str, tmp_path: Path) -> None:
    other = next(name for name in PLATFORMS if name != platform_name)
    done = script("package_binary.py", binary, f"{binary}.cdx.json", other, VERSION, tmp_path / "out")
    assert done.returncode == 1
    assert f"not for {PLATFORMS[other].machine}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_platform_is_refused_with_the_known_ones(binary: Path, tmp_path: Path) -> None:
    done = script("package_binary.py", binary, f"{binary}.cdx.json", "plan9-mips", VERSION, tmp_path / "out")
    assert done.returncode != 0
    assert "linux-x86_64" in done.stderr


@pytest.mark.parametrize("kept", ["binary", "sbom"])
def test_what_was_not_built_is_named(kept: str, binary: Path, platform_name: str, tmp_path: Path) -> None:
    files = [binary if kept == "binary" else "no-binary", f"{binary}.cdx.json" if kept == "sbom" else "no-sbom"]
    done = script("package_binary.py", *files, platform_name, VERSION, tmp_path / "out")
    missing = "no-sbom" if kept == "binary" else "no-binary"
    assert (done.returncode, done.stderr) == (1, f"{missing} is not there: run `make binary`\n")
