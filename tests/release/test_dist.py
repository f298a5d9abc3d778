"""What `make dist` made, each part installed into a clean place and run there: `make test-release`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from package_worker import NAME as WORKER
from platforms import this_platform
from smoke import SPEC, healthy_worker
from version import semver

from tests.release.conftest import PROGRAM, ROOT, script, served

pytestmark = pytest.mark.slow

DIST = ROOT / os.environ.get("DIST", "dist")
# What a clean place has: the machine's own settings of its package installers, and no trace of this project.
CLEAN = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "UV_", "SSL_"))}
CLEAN |= {"LC_ALL": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
OFFLINE = f"--no-index --find-links {DIST}"


def run(*command: str | Path, **environ: str) -> str:
    """Run *command* in the clean environment, and return what it prints."""
    env = {**CLEAN, "PATH": "/usr/local/bin:/usr/bin:/bin", **environ}
    done = subprocess.run(list(map(str, command)), env=env, cwd="/", text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def tool(name: str) -> str:
    """Return a tool of `requirements/release.txt`."""
    return str(ROOT / ".cache/release/bin" / name)


def works(*command: str | Path) -> None:
    """Check that the installed *command* passes the smoke test."""
    done = script("smoke.py", version(), *command)
    assert done.returncode == 0, done.stderr


def sdist() -> Path:
    """Return the source distribution."""
    return one("orch_executor_cf_worker-*.tar.gz")


def pure_wheel() -> Path:
    """Return the wheel for the platforms that have no binary."""
    return one("*-py3-none-any.whl")


def version() -> str:
    """Return the version that lies in the folder."""
    return sdist().name.removeprefix("orch_executor_cf_worker-").removesuffix(".tar.gz")


def one(pattern: str) -> Path:
    """Return the only file of the folder that matches."""
    found = sorted(DIST.glob(pattern))
    if len(found) != 1:
        pytest.fail(f"{DIST}/{pattern}: {len(found)} files; run `make dist`", pytrace=False)
    return found[0]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Return the programs' folder of a new virtual environment."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    return tmp_path / "venv" / "bin"


def is_the_binary(program: Path) -> bool:
    """Tell whether *program* is the platform's executable and no script."""
    return program.read_bytes()[:2] != b"#!"


def test_the_release_is_whole() -> None:
    name = this_platform().name
    wanted = {
        f"{PROGRAM}-{version()}-{name}.tar.gz",
        f"{PROGRAM}-{version()}-{name}.cdx.json",
        f"{WORKER}-{version()}.tgz",
        f"{WORKER}-{version()}.cdx.json",
        "install.sh",
        sdist().name,
        pure_wheel().name,
        one(f"*-{this_platform().wheel_tag}.whl").name,
    }
    lines = (DIST / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(listed) == wanted
    assert listed == {name: hashlib.sha256((DIST / name).read_bytes()).hexdigest() for name in wanted}


def test_pip_takes_the_platforms_wheel_over_the_pure_one(venv: Path) -> None:
    run(venv / "pip", "install", *OFFLINE.split(), f"{PROGRAM}=={version()}")
    assert is_the_binary(venv / PROGRAM)
    assert "exec_cf" not in run(venv / "pip", "list")
    works(venv / PROGRAM)


@pytest.mark.parametrize("system", ["manylinux2014", "manylinux_2_17", "musllinux_1_1", "linux"])
def test_each_system_is_given_its_wheel(system: str, tmp_path: Path) -> None:
    machine = "riscv64" if system == "linux" else this_platform().machine
    if this_platform().system != "Linux":
        pytest.skip("needs the wheel of a Linux")
    wanted = f"--platform {system}_{machine} --only-binary :all: --no-deps --dest {tmp_path} {OFFLINE}"
    run(sys.executable, "-m", "pip", "download", *wanted.split(), f"{PROGRAM}=={version()}")
    pure = pure_wheel().name
    assert [file.name == pure for file in tmp_path.iterdir()] == [system == "linux"]


def test_pip_removes_what_it_installed(venv: Path) -> None:
    run(venv / "pip", "install", *OFFLINE.split(), f"{PROGRAM}=={version()}")
    run(venv / "pip", "uninstall", "--yes", PROGRAM)
    assert not (venv / PROGRAM).exists()


def pipx(folder: Path, *arguments: str | Path) -> Path:
    """Install with pipx, and return the command that it exposes."""
    home, programs = folder / "pipx", folder / "bin"
    run(tool("pipx"), "install", *arguments, PIPX_HOME=str(home), PIPX_BIN_DIR=str(programs), HOME=str(folder))
    return programs / PROGRAM


def uv(folder: Path, *arguments: str | Path) -> Path:
    """Install with uv, and return the command that it exposes."""
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin"), "HOME": str(folder)}
    run(tool("uv"), "tool", "install", "--python", sys.executable, *arguments, **places)
    return folder / "bin" / PROGRAM


def test_pipx_takes_the_platforms_wheel(tmp_path: Path) -> None:
    command = pipx(tmp_path, f"{PROGRAM}=={version()}", "--pip-args", OFFLINE)
    assert is_the_binary(command)
    works(command)


def test_uv_takes_the_platforms_wheel(tmp_path: Path) -> None:
    command = uv(tmp_path, *OFFLINE.split(), f"{PROGRAM}=={version()}")
    assert is_the_binary(command)
    works(command)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_pip_installs_the_pure_package(kind: str, venv: Path) -> None:
    run(venv / "pip", "install", pure_wheel() if kind == "wheel" else sdist())
    assert not is_the_binary(venv / PROGRAM)
    works(venv / PROGRAM)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_pipx_installs_the_pure_package(kind: str, tmp_path: Path) -> None:
    works(pipx(tmp_path, pure_wheel() if kind == "wheel" else sdist()))


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_uv_installs_the_pure_package(kind: str, tmp_path: Path) -> None:
    works(uv(tmp_path, pure_wheel() if kind == "wheel" else sdist()))


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack *archive* with the machine's `tar`, and return the one folder that it holds."""
    run("tar", "-xzf", archive, "-C", folder)
    return folder / archive.name.removesuffix(".tar.gz").removesuffix(".tgz")


def test_the_archive_runs_where_it_is_unpacked(tmp_path: Path) -> None:
    folder = unpacked(DIST / f"{PROGRAM}-{version()}-{this_platform().name}.tar.gz", tmp_path)
    assert sorted(file.name for file in folder.iterdir()) == ["LICENSE", "README.md", PROGRAM]
    works(folder / PROGRAM)


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of a file server with the release."""
    yield from served(DIST)


def test_the_installer_installs_the_release(url: str, tmp_path: Path) -> None:
    said = run("sh", DIST / "install.sh", "--to", tmp_path / "bin", "--from", url)
    assert said.startswith(f"{PROGRAM} {version()} is in ")
    works(tmp_path / "bin" / PROGRAM)


# What signatures are looked up in cannot run here. It is asked as docs/installing.md says, or there is no signature.
GH = """\
#!/bin/sh
[ "$#" = 7 ] && [ "$1 $2" = "attestation verify" ] && [ -f "$3" ] && [ "$4 $5" = "--repo owner/name" ] &&
  [ "$6 $7" = "--cert-identity {url}/owner/name/.github/workflows/release.yml@refs/tags/v{version}" ] || exit 1
echo "signed: ${{3##*/}}"
"""


def test_what_was_published_is_verified_from_outside(tmp_path: Path) -> None:
    folder = tmp_path / "owner/name/releases/download" / f"v{version()}"
    shutil.copytree(DIST, folder)
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin/gh"
    for url in served(tmp_path):
        gh.write_text(GH.format(url=url, version=version()))
        gh.chmod(0o755)
        place = {"GITHUB_SERVER_URL": url, "GITHUB_REPOSITORY": "owner/name"}
        assert script("package_installer.py", version(), folder, env=place).returncode == 0
        environ = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(DIST),
            "PATH": f"{gh.parent}:/usr/local/bin:/usr/bin:/bin",
        }
        said = run("sh", ROOT / "build/release/verify_published.sh", version(), f"{url}/owner/name", **environ)
    assert "signed: install.sh" in said
    assert said.count("prints its version, its help and a ready handle") == 2


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the folder that the program is installed in."""
    return unpacked(DIST / f"{PROGRAM}-{version()}-{this_platform().name}.tar.gz", tmp_path)


def dispatched(installed: Path, command: str, **environ: str) -> None:
    """Start the program as the dispatcher does, and check the handle that its shell has captured."""
    lines = f'handle=$({command}) && [ "$(printf "%s\\n" "$handle" | tail -n 1)" = "status: ready" ] && echo captured'
    env = {"PATH": f"{installed}:/usr/bin:/bin", "CF_WORKER_BOOTSTRAP": "0", **environ}
    with healthy_worker() as worker:
        done = subprocess.run(
            ["bash", "-c", lines], input=SPEC.format(url=worker), env=env, text=True, capture_output=True, check=False
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "captured\n", "")


def test_the_dispatcher_finds_it_on_the_path(installed: Path) -> None:
    dispatched(installed, PROGRAM)


def test_the_dispatcher_runs_the_command_line_of_the_environment(installed: Path, tmp_path: Path) -> None:
    shutil.move(installed / PROGRAM, tmp_path / "my program")
    line = f"env CF_WORKER_HEALTHCHECK_RETRIES=1 '{tmp_path}/my program'"
    dispatched(installed, 'bash -c "$ORCH_EXECUTOR_CF_WORKER_CMD"', ORCH_EXECUTOR_CF_WORKER_CMD=line)


def test_the_worker_deploys_as_it_is(tmp_path: Path) -> None:
    wrangler = ROOT / "worker/node_modules/.bin"
    folder = unpacked(DIST / f"{WORKER}-{version()}.tgz", tmp_path)
    out = tmp_path / "out"
    environ = {"PATH": f"{wrangler}:{os.environ['PATH']}", "HOME": str(tmp_path), "WRANGLER_SEND_METRICS": "false"}
    config = folder / "wrangler.toml"
    said = run(wrangler / "wrangler", "deploy", "--dry-run", "--config", config, "--outdir", out, **environ)
    assert "--dry-run: exiting now." in said
    assert (out / "index.js").read_bytes() == (folder / "dist/index.js").read_bytes()
    assert semver(version()) in (folder / "dist/index.js").read_text()


def image_root(archive: Path, folder: Path) -> Path:
    """Unpack the only layer of an image's only manifest."""
    run("tar", "-xf", archive, "-C", folder)

    def blob(described: dict[str, str]) -> Path:
        return folder / "blobs" / described["digest"].replace(":", "/")

    (manifest,) = json.loads((folder / "index.json").read_text())["manifests"]
    (layer,) = json.loads(blob(manifest).read_text())["layers"]
    root = folder / "root"
    root.mkdir()
    with tarfile.open(blob(layer)) as tar:
        tar.extractall(root, filter="data")
    return root


def test_the_image_holds_the_binary_alone_and_it_runs_there(tmp_path: Path) -> None:
    archive = DIST / f"{PROGRAM}-{version()}-{this_platform().name}.oci.tar"
    if not archive.exists() or os.geteuid() != 0:
        pytest.skip("needs `make image`, and root to enter what is in it")
    root = image_root(archive, tmp_path)
    assert [file.name for file in root.iterdir()] == [PROGRAM]
    (root / "proc").mkdir()
    inside = 'mount -t proc proc "$1/proc" && root=$1 && shift && exec /usr/sbin/chroot "$root" "$@"'
    works("unshare", "--mount", "sh", "-c", inside, "sh", root, f"/{PROGRAM}")
