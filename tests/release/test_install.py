"""`install.sh` under the plain shells, against a release on a file server of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from platforms import this_platform

from tests.release.conftest import PROGRAM, ROOT, VERSION, package, served, standin

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"], "sh": ["sh"]}
PATH = "/usr/local/bin:/usr/bin:/bin"
Install = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Return each shell in turn."""
    name: str = request.param
    if not shutil.which(SHELLS[name][0]):
        pytest.skip(f"needs {name}")
    return SHELLS[name]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Return the chosen folder, which is not there yet."""
    return tmp_path / "a chosen folder" / "bin"


def install(
    *arguments: str | Path, under: Sequence[str] = ("sh",), path: str = PATH, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the installer with nothing in its environment but *path* and *environ*."""
    command = [*under, str(ROOT / "install.sh"), *map(str, arguments)]
    return subprocess.run(command, env={"PATH": path, **environ}, text=True, capture_output=True, check=False)


def refused(done: subprocess.CompletedProcess[str], why: str, to: Path) -> None:
    """Check that the installer ended with one line that says *why*, and left nothing of its own in *to*."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert why in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("install.sh: ")
    assert not to.exists() or not list(to.glob(".*"))


def test_it_installs_the_file_into_the_chosen_folder(shell: list[str], url: str, to: Path, binary: Path) -> None:
    done = install("--to", to, "--from", url, under=shell)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(f"{PROGRAM} {VERSION} is in {to}\n")
    assert "not on PATH" in done.stdout
    assert [file.name for file in to.iterdir()] == [PROGRAM]
    assert (to / PROGRAM).read_bytes() == binary.read_bytes()
    assert (to / PROGRAM).stat().st_mode & 0o777 == 0o755


def test_the_environment_can_say_the_same(url: str, to: Path) -> None:
    done = install(INSTALL_TO=str(to), INSTALL_FROM=f"{url}/")
    assert done.returncode == 0, done.stderr
    assert (to / PROGRAM).exists()


def test_the_default_is_the_users_own_folder(url: str, tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "bin"
    done = install("--from", url, path=f"{PATH}:{folder}", HOME=str(tmp_path))
    assert done.stdout == f"{PROGRAM} {VERSION} is in {folder}\n"
    assert (folder / PROGRAM).exists()


def test_a_relative_folder_is_below_the_current_one(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert install("--to", "here", "--from", url).returncode == 0
    assert (tmp_path / "here" / PROGRAM).exists()


def test_it_replaces_an_older_release(shell: list[str], url: str, to: Path, binary: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    to.mkdir(parents=True)
    shutil.copy(standin(tmp_path / "old", "1.0.0"), to / PROGRAM)
    done = install("--to", to, "--from", url, under=shell)
    assert done.returncode == 0, done.stderr
    assert (to / PROGRAM).read_bytes() == binary.read_bytes()


@pytest.mark.parametrize("tool", ["wget", "busybox"])
def test_it_needs_no_curl(tool: str, url: str, to: Path, tmp_path: Path) -> None:
    if not shutil.which(tool):
        pytest.skip(f"needs {tool}")
    names = {
        "cat",
        "chmod",
        "cut",
        "grep",
        "gzip",
        "head",
        "mkdir",
        "mv",
        "rm",
        "sed",
        "sha256sum",
        "tar",
        "uname",
        "wget",
    }
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in names | {"sh"}:
        (tools / name).symlink_to(shutil.which("busybox" if tool == "busybox" else name) or name)
    done = install("--to", to, "--from", url, under=[str(tools / "sh")], path=str(tools))
    assert done.returncode == 0, done.stderr
    assert (to / PROGRAM).exists()


def _script(file: Path) -> None:
    file.write_text(f"#!/bin/sh\necho {PROGRAM} 1.0.0\n")
    file.chmod(0o755)


def _link(file: Path) -> None:
    file.symlink_to("/bin/true")


def _dangling(file: Path) -> None:
    file.symlink_to("/nowhere")


def _program(file: Path) -> None:
    shutil.copy("/bin/true", file)


def _text(file: Path) -> None:
    file.write_text("notes\n")


@pytest.mark.parametrize("occupy", [_script, _link, _dangling, _program, _text, Path.mkdir])
def test_it_overwrites_nothing_else(shell: list[str], occupy: Callable[[Path], None], url: str, to: Path) -> None:
    to.mkdir(parents=True)
    file = to / PROGRAM
    occupy(file)
    before = file.lstat()
    refused(install("--to", to, "--from", url, under=shell), f"{file} was not put there by this installer", to)
    assert file.lstat() == before or file.lstat().st_ino == before.st_ino


def test_it_does_not_replace_the_link_of_another_installer(shell: list[str], url: str, to: Path, binary: Path) -> None:
    to.mkdir(parents=True)
    (to / PROGRAM).symlink_to(binary)
    refused(install("--to", to, "--from", url, under=shell), "was not put there by this installer", to)
    assert (to / PROGRAM).is_symlink()


def test_a_tampered_archive_is_refused(shell: list[str], release: Path, url: str, to: Path) -> None:
    archive = next(release.glob("*.tar.gz"))
    data = bytearray(archive.read_bytes())
    data[-1] ^= 1
    archive.write_bytes(data)
    refused(install("--to", to, "--from", url, under=shell), "is not what was released: its SHA-256 is", to)
    assert not list(to.iterdir())


def test_a_truncated_archive_is_refused(release: Path, url: str, to: Path) -> None:
    archive = next(release.glob("*.tar.gz"))
    archive.write_bytes(archive.read_bytes()[:1000])
    refused(install("--to", to, "--from", url), "is not what was released", to)


def test_an_older_release_under_a_new_name_is_what_its_checksum_says(release: Path, url: str, to: Path) -> None:
    sums = release / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if line.endswith(".tar.gz")]
    sums.write_text("\n".join([*lines, lines[0].replace(VERSION, "1.2.4")]) + "\n")
    refused(install("--to", to, "--from", url), "lists more than one archive", to)


def test_a_platform_without_a_binary_is_told_of_the_other_way(shell: list[str], url: str, to: Path) -> None:
    if this_platform().name != "linux-x86_64":
        pytest.skip("needs a machine that can pass for another")
    done = install("--to", to, "--from", url, under=["setarch", "i686", *shell])
    refused(done, f"no binary for linux-i686 in {url}/SHA256SUMS: use `pipx install {PROGRAM}`", to)


def test_a_place_without_a_release_is_named(shell: list[str], url: str, to: Path) -> None:
    refused(install("--to", to, "--from", f"{url}/none", under=shell), f"cannot fetch {url}/none/SHA256SUMS", to)


@pytest.mark.parametrize("kib", [16, 420], ids=["at the download", "when unpacking"])
def test_a_full_disk_leaves_nothing_behind(kib: int, shell: list[str], url: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    inner = f'mount -t tmpfs -o size={kib}k tmpfs "$1"; to=$1; shift; "$@" --to "$to" 2>&1; echo "$?"; ls -A "$to"'
    command = ["unshare", "--mount", "sh", "-c", inner, "sh", str(tmp_path), *shell]
    done = subprocess.run(
        [*command, str(ROOT / "install.sh"), "--from", url],
        env={"PATH": PATH},
        text=True,
        capture_output=True,
        check=False,
    )
    said, code = done.stdout.splitlines()[-2:]
    assert code == "1"
    assert "check" in said
    assert "the space left there" in said


def test_a_folder_that_cannot_be_written_is_named(url: str) -> None:
    done = install("--to", "/proc/1/fdinfo", "--from", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "install.sh: cannot write to /proc/1/fdinfo: choose another folder with --to\n"


def test_a_copy_that_knows_no_release_asks_for_one(shell: list[str], to: Path) -> None:
    done = install("--to", to, under=shell)
    refused(done, "say where to download from with --from URL", to)
    assert done.returncode == 64


@pytest.mark.parametrize("arguments", [["--to"], ["--from", ""], ["--nonsense"], ["--from", "ftp://a.example"]])
def test_wrong_arguments_are_refused(shell: list[str], arguments: list[str], tmp_path: Path) -> None:
    done = install(*arguments, under=shell, HOME=str(tmp_path))
    refused(done, "install.sh: ", tmp_path)
    assert done.returncode == 64


def test_help_shows_the_options(shell: list[str]) -> None:
    done = install("--help", under=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--to FOLDER" in done.stdout
    assert "--from URL" in done.stdout


def test_a_download_cut_short_runs_nothing(to: Path, url: str, tmp_path: Path) -> None:
    whole = (ROOT / "install.sh").read_text()
    assert whole.endswith('\nmain "$@"\n')
    (tmp_path / "cut.sh").write_text(whole[: -len('main "$@"\n')])
    done = subprocess.run(["sh", tmp_path / "cut.sh", "--to", to, "--from", url], check=False)
    assert done.returncode == 0
    assert not to.exists()


def test_a_version_between_tags_installs_like_a_release(platform_name: str, tmp_path: Path, to: Path) -> None:
    version = "1.2.4.dev3+g0123abc"
    (tmp_path / "made").mkdir()
    folder = package(standin(tmp_path / "made", version), version, platform_name, tmp_path / "release")
    for url in served(folder):
        done = install("--to", to, "--from", url)
    assert done.stdout.startswith(f"{PROGRAM} {version} is in {to}\n"), done.stderr


def test_the_linter_finds_nothing() -> None:
    linter = ROOT / ".cache/release/bin/shellcheck"
    if not linter.exists():
        pytest.skip("needs `make check-workflows` to have run")
    done = subprocess.run([linter, ROOT / "install.sh"], text=True, capture_output=True, check=False)
    assert done.stdout == ""
