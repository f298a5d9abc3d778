"""A stand-in for the binary, and the folders that a release is served from."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import serving

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build/release"))

PROGRAM = "orch-executor-cf-worker"
VERSION = "1.2.3"
SOURCE = f'#include <stdio.h>\nint main(void) {{ puts("{PROGRAM} " VERSION); return 0; }}\n'


def script(name: str, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a script of `build/release/` as `make` does; where the project is published stays unknown, also in CI."""
    command = [sys.executable, str(ROOT / "build/release" / name), *map(str, arguments)]
    options.setdefault("env", {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")})
    return subprocess.run(command, text=True, capture_output=True, check=False, **options)


def targets() -> set[str]:
    """Return the names of what `make` can make."""
    makefiles = [ROOT / "Makefile", *ROOT.glob("worker/*.mk"), *ROOT.glob("build/*/*.mk")]
    return set(re.findall(r"^([a-z-]+):", "\n".join(file.read_text() for file in makefiles), re.MULTILINE))


def standin(folder: Path, version: str = VERSION) -> Path:
    """Compile a static program that knows its version, and put an SBOM beside it."""
    compiler = shutil.which("cc")
    if not compiler or sys.platform != "linux":
        pytest.skip("needs a C compiler, on Linux")
    program = folder / PROGRAM
    source = folder / "standin.c"
    source.write_text(SOURCE)
    subprocess.run([compiler, "-static", "-s", f'-DVERSION="{version}"', "-o", program, source], check=True)
    program.with_name(f"{PROGRAM}.cdx.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6"}\n')
    return program


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a stand-in for the binary of this machine."""
    return standin(tmp_path_factory.mktemp("standin"))


@pytest.fixture(scope="session")
def platform_name() -> str:
    """Return the name of this machine's platform."""
    return script("platforms.py").stdout.strip()


def package(binary: Path, version: str, platform_name: str, folder: Path) -> Path:
    """Package *binary* and its checksums into *folder*."""
    done = script("package_binary.py", binary, f"{binary}.cdx.json", platform_name, version, folder)
    assert done.returncode == 0, done.stderr
    assert script("checksums.py", folder).returncode == 0
    return folder


@pytest.fixture(scope="session")
def packaged(binary: Path, platform_name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a release of the stand-in, to be read only."""
    return package(binary, VERSION, platform_name, tmp_path_factory.mktemp("packaged"))


@pytest.fixture
def release(packaged: Path, tmp_path: Path) -> Path:
    """Return a folder with a release of the stand-in, free to be spoilt."""
    return shutil.copytree(packaged, tmp_path / "release")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def served(folder: Path) -> Iterator[str]:
    """Serve *folder* on loopback, and yield its URL."""
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def url(release: Path) -> Iterator[str]:
    """Return the URL that the release is served at."""
    yield from served(release)
