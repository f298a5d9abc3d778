import platform
import subprocess
from pathlib import Path

import pytest
from packaging.tags import parse_tag, sys_tags
from platforms import PLATFORMS, this_platform

from tests.release.conftest import ROOT, script

# What `uname -s` and `uname -m` say, where an operating system has more than one word for a machine.
ALIASES = {("Linux", "amd64"): "linux-x86_64", ("Linux", "arm64"): "linux-aarch64"}


def picked_by_installer(system: str, machine: str, folder: Path) -> str:
    """Return the platform that `install.sh` takes a machine for."""
    uname = folder / "uname"
    uname.write_text(f"#!/bin/sh\ncase $1 in -s) echo {system} ;; -m) echo {machine} ;; esac\n")
    uname.chmod(0o755)
    source = (ROOT / "install.sh").read_text().replace('\nmain "$@"\n', "\nplatform\n")
    done = subprocess.run(
        ["sh", "-c", source], env={"PATH": f"{folder}:/usr/bin:/bin"}, text=True, capture_output=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_installer_picks_what_the_table_names(name: str, tmp_path: Path) -> None:
    row = PLATFORMS[name]
    assert picked_by_installer(row.system, row.machine, tmp_path) == name


@pytest.mark.parametrize(("uname", "name"), ALIASES.items())
def test_the_installer_knows_the_other_names(uname: tuple[str, str], name: str, tmp_path: Path) -> None:
    assert picked_by_installer(*uname, tmp_path) == name


def test_this_machine_takes_the_wheel_of_its_platform() -> None:
    assert not set(sys_tags()).isdisjoint(parse_tag(this_platform().wheel_tag)), platform.platform()


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_wheel_tag_is_of_its_platform_and_any_python(name: str) -> None:
    row = PLATFORMS[name]
    for tag in parse_tag(row.wheel_tag):
        assert (tag.interpreter, tag.abi) == ("py3", "none")
        assert tag.platform.endswith(row.machine)


def test_every_linux_platform_and_no_other_gets_an_image() -> None:
    printed = dict(line.split() for line in script("platforms.py", "--images").stdout.splitlines())
    assert printed == {"linux-x86_64": "linux/amd64", "linux-aarch64": "linux/arm64"}


def test_the_name_of_this_machine_is_printed() -> None:
    assert script("platforms.py").stdout.strip() == this_platform().name
    assert script("platforms.py", "--oci").stdout.strip() == this_platform().oci


def test_an_unknown_argument_prints_the_usage() -> None:
    done = script("platforms.py", "--all")
    assert (done.returncode, done.stdout) == (64, "")
    assert "usage: platforms.py" in done.stderr
