"""Where the file runs: everywhere that a kernel of its system does, whatever surrounds it."""

from __future__ import annotations

import ctypes
import errno
import platform
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.binary.conftest import ONE_PROBE, SPEC, is_ready, run
from tests.binary.places import Root, in_namespace


def test_without_an_environment(program: Path, health: str) -> None:
    done = run(["env", "-i", "CF_WORKER_BOOTSTRAP=0", program], health)
    assert is_ready(done)


HOSTILE = {
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "{evil}",
    "PYTHONSTARTUP": "{evil}/yaml.py",
    "PYTHONHASHSEED": "not a number",
    "PYTHONMALLOC": "nonsense",
    "PYTHONUTF8": "7",
    "PYTHONIOENCODING": "utf-16",
    "PYTHONINSPECT": "1",
    "PYTHONVERBOSE": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONEXECUTABLE": "/nowhere/python",
    "PYTHONPLATLIBDIR": "/nowhere",
    "__PYVENV_LAUNCHER__": "/nowhere/python",
    "LD_LIBRARY_PATH": "{evil}",
    "LD_PRELOAD": "{evil}/lib.so",
    "OPENSSL_CONF": "{evil}/openssl.cnf",
    "LC_ALL": "tlh_QO.EBCDIC",
}


@pytest.mark.parametrize("name", [*HOSTILE, "all"])
def test_a_hostile_environment_changes_nothing(program: Path, health: str, tmp_path: Path, name: str) -> None:
    for module in ("yaml", "msgspec", "httpx", "sitecustomize", "encodings", "re"):
        (tmp_path / f"{module}.py").write_text("print('evil'); raise SystemExit(99)")
    (tmp_path / "lib.so").write_text("no library")
    (tmp_path / "openssl.cnf").write_text("openssl_conf = missing\n[missing\n")
    names = HOSTILE if name == "all" else [name]
    done = run([program], health, {key: HOSTILE[key].format(evil=tmp_path) for key in names}, cwd=tmp_path)
    assert is_ready(done)


def test_through_a_symlink(program: Path, health: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(program)
    (tmp_path / "link to link").symlink_to("link")
    assert is_ready(run([tmp_path / "link to link"], health))


def test_through_path(program: Path, health: str) -> None:
    done = run(["sh", "-c", f"PATH={shlex.quote(str(program.parent))}; {program.name}"], health)
    assert is_ready(done)


def test_under_another_name_and_in_a_folder_with_odd_characters(program: Path, health: str, tmp_path: Path) -> None:
    not_unicode = "" if sys.platform == "darwin" else "\udcff"  # Apple's file system takes no such name
    folder = tmp_path / f"a b é {not_unicode}"
    folder.mkdir()
    shutil.copy2(program, folder / "x")
    assert is_ready(run([folder / "x"], health))


@pytest.mark.usefixtures("is_root")
def test_with_nothing_writable_and_tmp_not_executable(program: Path, health: str) -> None:
    setup = [
        "mount --make-rprivate /",
        "mount -t tmpfs -o noexec,ro none /tmp" if not str(program).startswith("/tmp/") else ":",
        "mount -t tmpfs -o ro none /var/tmp",
        "mount -t tmpfs -o ro none /dev/shm",
        "mount --bind / /",
        "mount -o remount,bind,ro /",
        "! touch /root/x 2>/dev/null",
    ]
    assert is_ready(run(in_namespace(setup, shlex.quote(str(program))), health))


@pytest.mark.usefixtures("is_root")
def test_as_another_user_without_a_home(program: Path, health: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = Root(tmp_path_factory.mktemp("nobody") / "root", program)
    root.folder.chmod(0o755)
    call = root.call()
    call[-1] = call[-1].replace("chroot ", "chroot --userspec=65534:65534 ")
    assert is_ready(run(call, health, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))


@pytest.mark.usefixtures("is_root")
@pytest.mark.parametrize("proc", [True, False], ids=["with /proc", "without /proc"])
def test_in_a_root_that_holds_nothing_else(program: Path, health: str, tmp_path: Path, proc: bool) -> None:
    root = Root(tmp_path / "root", program)
    assert is_ready(run(root.call(proc=proc), health, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))


# What Docker's default profile refuses to a container without privileges, by number on x86_64.
REFUSED = (
    *(
        101,
        134,
        135,
        136,
        139,
        153,
        155,
        163,
        164,
        165,
        166,
        167,
        168,
        169,
        172,
        173,
        175,
        176,
        179,
        212,
        227,
        237,
        238,
    ),
    *(
        239,
        246,
        248,
        249,
        250,
        272,
        298,
        303,
        304,
        305,
        308,
        310,
        311,
        312,
        313,
        321,
        323,
        425,
        426,
        427,
        428,
        429,
        430,
    ),
    *(431, 432, 433),
)
UNKNOWN = 435
"""`clone3`, which such a profile says does not exist."""


def _filtered() -> None:
    """Install a filter of system calls in this process."""
    ret, jump_if_equal, load = 0x06, 0x15, 0x20
    rules = [(load, 0, 0, 0), (jump_if_equal, 0, 1, UNKNOWN), (ret, 0, 0, 0x50000 | errno.ENOSYS)]
    for number in REFUSED:
        rules += [(jump_if_equal, 0, 1, number), (ret, 0, 0, 0x50000 | errno.EPERM)]
    rules.append((ret, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(rules), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    no_new_privileges, set_filter, by_program = 38, 22, 2
    if prctl(no_new_privileges, 1, 0, 0, 0) or prctl(set_filter, by_program, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the numbers are of Linux on x86_64"
)
def test_under_a_filter_of_system_calls_like_a_containers(program: Path, health: str) -> None:
    spec = SPEC.format(url=health)
    done = subprocess.run(
        [program], input=spec, env=ONE_PROBE, text=True, capture_output=True, preexec_fn=_filtered, check=False
    )
    assert is_ready(done)
