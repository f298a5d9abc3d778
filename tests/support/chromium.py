"""Chromium, for the tests of the Worker's page.

usage: python -m tests.support.chromium

Installs it, as root on a system with apt, unless there is one; says so where it cannot.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

MISSING = "there is no Chromium: install one, or set CHROMIUM to its path"
_PROGRAMS = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
]
# It talks to nobody but the page under test.
_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Names that are not loopback, for Workers that must not take themselves for local ones.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
]


def chromium_program() -> str | None:
    """Return the path of a Chromium that starts, or None."""
    candidates = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else _PROGRAMS
    return next((path for path in map(shutil.which, candidates) if path and _starts(path)), None)


@contextmanager
def chromium(program: str, env: dict[str, str] | None = None) -> Iterator[Browser]:
    """Run a Chromium without a window, with a new profile, within a block; `env` extends its environment."""
    with sync_playwright() as playwright:
        environment: dict[str, str | float | bool] = {**os.environ, **(env or {})}
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS, env=environment)
        try:
            yield browser
        finally:
            browser.close()


def _starts(path: str) -> bool:
    """Return whether the program is one: on Ubuntu it may be a note that the real one has to be installed."""
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in [["update"], ["install", "--yes", "--no-install-recommends", "chromium"]]:
        command = ["apt-get", "-qq", *arguments]
        subprocess.run(command, env=environment, capture_output=True, check=False)


def main() -> int:
    """Install Chromium if it is missing; the exit code is 0 in any case, since tests without it are skipped."""
    if chromium_program() is None:
        _install()
    if chromium_program() is None:
        sys.stderr.write(f"{MISSING}; the tests of the page are skipped\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
