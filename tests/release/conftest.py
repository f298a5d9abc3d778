"""A stand-in for the binary, and the folders that a release is served from."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

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


class Mirror(http.server.ThreadingHTTPServer):
    """Serves a folder on loopback, but for the paths in `special`; keeps what it was asked for.

    With an *authority* it speaks TLS, with a certificate for *name*, or for its own *host*.
    """

    def __init__(
        self, folder: Path, authority: trustme.CA | None = None, host: str = "127.0.0.1", name: str | None = None
    ) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, 0), partial(_Handler, directory=str(folder)))
        self.folder = folder
        self.asked: list[str] = []
        self.special: dict[str, Callable[[_Handler], None]] = {}
        self.scheme, self.authority = "http", f"[{host}]" if ":" in host else host
        if authority:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert(name or host).configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"

    @property
    def url(self) -> str:
        """Return the URL of the folder."""
        return f"{self.scheme}://{self.authority}:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up is what many tests are about."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if special := self.server.special.get(self.path):
            special(self)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def redirect(to: str) -> Callable[[_Handler], None]:
    """Return an answer that redirects."""

    def answer(handler: _Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def body(data: bytes, claimed: int | None = None) -> Callable[[_Handler], None]:
    """Return an answer with *data*, which may claim to be longer than it is."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) if claimed is None else claimed))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def served(folder: Path) -> Iterator[str]:
    """Serve *folder* on loopback, and yield its URL."""
    with serving(Mirror(folder)) as mirror:
        yield mirror.url


@pytest.fixture
def url(release: Path) -> Iterator[str]:
    """Return the URL that the release is served at."""
    yield from served(release)


SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"], "sh": ["sh"]}
PATH = "/usr/local/bin:/usr/bin:/bin"
# What `install.sh` calls, but for a downloader.
TOOLS = ("cat", "cut", "grep", "gzip", "head", "mkdir", "mv", "rm", "sed", "sha256sum", "tar", "uname")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """Return each shell in turn, by its full path."""
    name, *arguments = SHELLS[request.param]
    found = shutil.which(name)
    if not found:
        pytest.skip(f"needs {name}: `make test-installer` installs it on Debian")
    return [found, *arguments]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Return the chosen folder, which is not there yet."""
    return tmp_path / "a chosen folder" / "bin"


def install(
    *arguments: str | Path, under: Sequence[str] = ("sh",), path: str | Path = PATH, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the installer with nothing in its environment but *path* and *environ*."""
    command = [*under, str(ROOT / "install.sh"), *map(str, arguments)]
    environ["PATH"] = str(path)
    options: dict[str, Any] = {"env": environ, "text": True, "capture_output": True, "timeout": 120}
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False, **options)


def refused(done: subprocess.CompletedProcess[str], why: str, to: Path) -> None:
    """Check that the installer ended with one line that says *why*, and left nothing of its own in *to*."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert why in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("install.sh: ")
    assert not to.exists() or not list(to.glob(".*"))


def toolbox(folder: Path, *tools: str) -> Path:
    """Return a folder to be all of PATH, with links to *tools*; `busybox wget` is the applet of that name."""
    folder.mkdir()
    for tool in tools:
        program, _, applet = tool.partition(" ")
        found = shutil.which(program)
        if not found:
            pytest.skip(f"needs {program}: `make test-installer` installs it on Debian")
        (folder / (applet or program)).symlink_to(found)
    return folder
