"""`install.sh` under the plain shells, against a release on a file server of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from platforms import this_platform

from tests.release.conftest import (
    PATH,
    PROGRAM,
    ROOT,
    TOOLS,
    VERSION,
    Mirror,
    body,
    install,
    package,
    refused,
    served,
    standin,
    toolbox,
)
from tests.support.serving import serving


def mounted(options: str, folder: Path, *command: str) -> list[str]:
    """Return a command that runs *command* with a small file system of its own on *folder*."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a file system")
    return [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'mount -t tmpfs -o {options} tmpfs "$0"; exec "$@"',
        str(folder),
        *command,
    ]


def test_it_installs_the_file_into_the_chosen_folder(shell: list[str], url: str, to: Path, binary: Path) -> None:
    done = install("--to", to, "--from", url, under=shell)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(f"{PROGRAM} {VERSION} is in {to}\n")
    assert "not on PATH" in done.stdout
    assert [file.name for file in to.iterdir()] == [PROGRAM]
    assert (to / PROGRAM).read_bytes() == binary.read_bytes()
    assert (to / PROGRAM).stat().st_mode & 0o777 == 0o755


def test_it_installs_when_piped_into_a_shell(shell: list[str], url: str, to: Path) -> None:
    command = [*shell, "-s", "--", "--to", str(to), "--from", url]
    script = (ROOT / "install.sh").read_text()
    done = subprocess.run(command, input=script, env={"PATH": PATH}, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (to / PROGRAM).exists()


def test_the_environment_can_say_the_same(url: str, to: Path) -> None:
    done = install(INSTALL_TO=str(to), INSTALL_FROM=f"{url}/")
    assert done.returncode == 0, done.stderr
    assert (to / PROGRAM).exists()


def test_the_default_is_the_users_own_folder(url: str, tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "bin"
    done = install("--from", url, path=f"{PATH}:{folder}", HOME=str(tmp_path))
    assert done.stdout == f"{PROGRAM} {VERSION} is in {folder}\n"
    assert (folder / PROGRAM).exists()


@pytest.mark.parametrize("written", ["{}/", "{}//", "{}/.", "{}/../bin"])
def test_a_folder_is_found_on_path_however_it_is_written(written: str, shell: list[str], url: str, to: Path) -> None:
    done = install("--to", written.format(to), "--from", url, under=shell, path=f"{PATH}:{to}")
    assert done.stdout == f"{PROGRAM} {VERSION} is in {to}\n", done.stderr


@pytest.mark.parametrize("on_path", ["{}/", "{}/../link", "link"])
def test_path_may_name_the_folder_in_another_way(
    on_path: str, shell: list[str], url: str, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to.mkdir(parents=True)
    (to.parent / "link").symlink_to("bin")
    monkeypatch.chdir(to.parent)
    done = install("--to", to, "--from", url, under=shell, path=f"{PATH}:{on_path.format(to)}")
    assert done.stdout == f"{PROGRAM} {VERSION} is in {to}\n", done.stderr


def test_another_that_comes_first_on_path_is_named(shell: list[str], url: str, to: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    _script(tmp_path / "first" / PROGRAM)
    done = install("--to", to, "--from", url, under=shell, path=f"{tmp_path}/first:{PATH}:{to}")
    assert done.stdout.splitlines()[1].startswith(f"{tmp_path}/first/{PROGRAM} comes first on PATH")
    assert not (tmp_path / "first" / f"{PROGRAM}.ran").exists()


@pytest.mark.parametrize("written", ["~", "~/", "~/bin", "~/a b/c"])
def test_a_tilde_is_the_home_folder(written: str, shell: list[str], url: str, tmp_path: Path) -> None:
    for home in (f"{tmp_path}/one", f"{tmp_path}/other/"):
        done = install(under=shell, INSTALL_TO=written, INSTALL_FROM=url, HOME=home)
        assert done.returncode == 0, done.stderr
        assert Path(written.replace("~", home), PROGRAM).exists()


@pytest.mark.parametrize("written", ["~root", "~root/bin", "~+/bin"])
def test_another_users_home_is_refused(
    written: str, shell: list[str], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    done = install("--to", written, "--from", url, under=shell, HOME=str(tmp_path))
    refused(done, "write the whole path", tmp_path / "none")
    assert done.returncode == 64
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "here"}], ids=["unset", "empty", "relative"])
def test_without_a_home_a_folder_has_to_be_chosen(home: dict[str, str], shell: list[str], url: str) -> None:
    done = install("--from", url, under=shell, **home)
    refused(done, "choose a folder with --to", Path("here"))
    assert done.returncode == 64


@pytest.mark.parametrize("name", ["it's", 'a "b" c', "$HOME", "*", "a\\nb", "host:folder", "-n", "[x]", "%s"])
def test_a_folder_may_have_any_name(
    name: str, shell: list[str], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    for written in (name, tmp_path / "absolute" / name):
        done = install("--to", written, "--from", url, under=shell, path=f"{PATH}:{tmp_path / 'there' / written}")
        assert done.returncode == 0, done.stderr
    assert [each.name for each in (tmp_path / "there").iterdir()] == [name]
    assert (tmp_path / "there" / name / PROGRAM).exists()
    assert (tmp_path / "absolute" / name / PROGRAM).exists()


def test_the_folder_may_be_a_link(shell: list[str], url: str, to: Path) -> None:
    (to.parent / "real").mkdir(parents=True)
    to.symlink_to("real")
    assert install("--to", to, "--from", url, under=shell).returncode == 0
    assert to.is_symlink()
    assert [each.name for each in (to.parent / "real").iterdir()] == [PROGRAM]


@pytest.mark.parametrize("umask", ["000", "077", "777"])
def test_what_is_installed_does_not_depend_on_the_umask(umask: str, shell: list[str], url: str, to: Path) -> None:
    under = ["sh", "-c", f'umask {umask}; exec "$0" "$@"', *shell]
    done = install("--to", to, "--from", url, under=under)
    assert done.returncode == 0, done.stderr
    assert [(each.stat().st_mode & 0o777) for each in (to.parent, to, to / PROGRAM)] == [0o755, 0o755, 0o755]


@pytest.mark.parametrize(
    "setting",
    [
        {"TAR_OPTIONS": "--strip-components=1"},
        {"GZIP": "--nonsense"},
        {"GREP_OPTIONS": "--nonsense"},
        {"CDPATH": "/usr"},
        {"PWD": "/nowhere"},
        {"LC_ALL": "xx_XX.UTF-8"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_settings_of_the_tools_change_nothing(setting: dict[str, str], shell: list[str], url: str, to: Path) -> None:
    done = install("--to", to, "--from", url, under=shell, **setting)
    assert done.returncode == 0, done.stderr
    assert (to / PROGRAM).exists()


@pytest.mark.parametrize("tool", [*TOOLS, "curl"])
def test_a_missing_tool_is_named_before_anything_is_done(tool: str, shell: list[str], to: Path, tmp_path: Path) -> None:
    if shell[0].endswith("busybox"):
        pytest.skip("BusyBox runs its own applets, also where PATH has none")
    tools = toolbox(tmp_path / "tools", *({*TOOLS, "curl"} - {tool}))
    with serving(Mirror(tmp_path)) as mirror:
        done = install("--to", to, "--from", mirror.url, under=shell, path=tools)
        assert mirror.asked == []
    refused(done, tool, to)
    assert not to.exists()


def test_all_that_is_missing_is_named_at_once(to: Path, tmp_path: Path) -> None:
    tools = toolbox(tmp_path / "tools", *({*TOOLS, "curl"} - {"tar", "gzip"}))
    done = install("--to", to, "--from", "http://127.0.0.1:9", under=[shutil.which("sh") or "sh"], path=tools)
    refused(done, "not found: gzip, tar: install what is missing", to)


def test_installs_at_the_same_time_do_not_disturb_each_other(
    shell: list[str], url: str, to: Path, binary: Path
) -> None:
    command = [*shell, str(ROOT / "install.sh"), "--to", str(to), "--from", url]
    # In a process name space of its own, as in a container, each has the same number.
    if os.geteuid() == 0:
        command = ["unshare", "--pid", "--fork", *command]
    running = [subprocess.Popen(command, env={"PATH": PATH}, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    assert [(one.communicate()[1], one.returncode) for one in running] == [("", 0)] * len(running)
    assert [file.name for file in to.iterdir()] == [PROGRAM]
    assert (to / PROGRAM).read_bytes() == binary.read_bytes()


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


def _script(file: Path) -> None:
    file.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(file))}.ran\necho {PROGRAM} 1.0.0\n")
    file.chmod(0o755)


def _other_program(file: Path) -> None:
    """A program that says of itself what ours does, but is not built of anything that ours is."""
    source = file.with_suffix(".c")
    source.write_text(
        "#include <stdio.h>\n"
        "int main(int count, char **words) {\n"
        "  char ran[4096];\n"
        '  snprintf(ran, sizeof ran, "%s.ran", words[0]);\n'
        '  fclose(fopen(ran, "w"));\n'
        '  return printf("%s%s 1.0.0\\n", "orch-executor-", "cf-worker") < 0;\n'
        "}\n"
    )
    subprocess.run(["cc", "-s", "-o", file, source], check=True)
    source.unlink()


def _link(file: Path) -> None:
    file.symlink_to("/bin/true")


def _dangling(file: Path) -> None:
    file.symlink_to("/nowhere")


def _program(file: Path) -> None:
    shutil.copy("/bin/true", file)


def _text(file: Path) -> None:
    file.write_text("notes\n")


def _text_that_can_be_run(file: Path) -> None:
    file.write_text(f"touch {shlex.quote(str(file))}.ran; echo {PROGRAM} 1.0.0\n")
    file.chmod(0o755)


OTHERS = [_script, _other_program, _link, _dangling, _program, _text, _text_that_can_be_run, Path.mkdir, os.mkfifo]


@pytest.mark.parametrize("occupy", OTHERS, ids=lambda occupy: occupy.__name__)
def test_it_overwrites_nothing_else_and_runs_none_of_it(
    shell: list[str], occupy: Callable[[Path], None], url: str, to: Path
) -> None:
    to.mkdir(parents=True)
    file = to / PROGRAM
    occupy(file)
    before = file.lstat()
    refused(install("--to", to, "--from", url, under=shell), f"{file} was not put there by this installer", to)
    assert file.lstat().st_ino == before.st_ino
    assert [each.name for each in to.iterdir()] == [PROGRAM]


def test_what_another_installer_puts_there_meanwhile_stays(release: Path, to: Path) -> None:
    with serving(Mirror(release)) as mirror:
        sums = (release / "SHA256SUMS").read_bytes()

        def answer(handler: Any) -> None:
            _script(to / PROGRAM)
            body(sums)(handler)

        mirror.special["/SHA256SUMS"] = answer
        refused(install("--to", to, "--from", mirror.url), "was not put there by this installer", to)
    assert (to / PROGRAM).read_text().startswith("#!/bin/sh")


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


def test_a_platform_without_a_binary_gets_a_hint_to_the_python_package(shell: list[str], url: str, to: Path) -> None:
    if this_platform().name != "linux-x86_64":
        pytest.skip("needs a machine that can pass for another")
    done = install("--to", to, "--from", url, under=["setarch", "i686", *shell])
    refused(done, f"no binary for linux-i686 in {url}/SHA256SUMS: use `pipx install {PROGRAM}`", to)


@pytest.mark.parametrize(("translated", "machine"), [("1", "arm64"), ("0", "x86_64"), ("", "x86_64")])
def test_a_mac_is_what_it_is_even_to_a_shell_that_is_translated(
    translated: str, machine: str, url: str, to: Path, tmp_path: Path
) -> None:
    tools = toolbox(tmp_path / "tools", *(tool for tool in TOOLS if tool != "uname"), "curl", "sh")
    shim = '#!/bin/sh\n[ "$*" != -s ] && echo {} || echo Darwin\n'
    for name, reply in (("uname", "x86_64"), ("sysctl", translated)):
        (tools / name).write_text(shim.format(reply))
        (tools / name).chmod(0o755)
    refused(install("--to", to, "--from", url, path=tools), f"no binary for macos-{machine} in {url}/SHA256SUMS", to)


def test_a_place_without_a_release_is_named(shell: list[str], url: str, to: Path) -> None:
    refused(install("--to", to, "--from", f"{url}/none", under=shell), f"cannot fetch {url}/none/SHA256SUMS", to)


@pytest.mark.parametrize("kib", [16, 420], ids=["at the download", "when unpacking"])
def test_a_full_disk_leaves_nothing_behind(kib: int, shell: list[str], url: str, tmp_path: Path) -> None:
    inner = 'to=$1; shift; "$@" --to "$to" 2>&1; echo "$?"; ls -A "$to"'
    command = mounted(f"size={kib}k", tmp_path, "sh", "-c", inner, "sh", str(tmp_path), *shell)
    done = install("--from", url, under=command)
    said, code = done.stdout.splitlines()[-2:]
    assert code == "1"
    assert "check" in said
    assert "the space left there" in said


@pytest.mark.parametrize(
    ("options", "why"), [("ro", "cannot write to"), ("noexec", "programs in")], ids=["ro", "noexec"]
)
def test_a_disk_that_is_of_no_use_is_named(options: str, why: str, shell: list[str], url: str, tmp_path: Path) -> None:
    done = install("--to", tmp_path, "--from", url, under=mounted(options, tmp_path, *shell))
    refused(done, f"{why} {tmp_path}", tmp_path)
    assert "another folder with --to" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(url: str) -> None:
    done = install("--to", "/proc/1/fdinfo", "--from", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "install.sh: cannot write to /proc/1/fdinfo: choose another folder with --to\n"


def test_a_copy_that_knows_no_release_asks_for_one(shell: list[str], to: Path) -> None:
    done = install("--to", to, under=shell)
    refused(done, "name the folder to download from with --from URL", to)
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
