"""The pinned wrangler on its own Node, as somebody else's client of the API."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.cloudflare import ACCOUNT, TOKEN
from tests.support.workerd import BUNDLE, WORKER

TOOLS = WORKER / "node_modules" / ".bin"
LIMIT_S = 120.0


class Ended(NamedTuple):
    """What a run left."""

    code: int
    output: str


class Wrangler:
    """wrangler in a copy of the Worker's folder, so that its configuration can be changed."""

    def __init__(self, home: Path, api: str) -> None:
        """Prepare a folder below *home*; *api* is the base of the API."""
        self.folder = home / "wrangler"
        (self.folder / "dist").mkdir(parents=True)
        shutil.copy(WORKER / "wrangler.toml", self.folder)
        shutil.copy(BUNDLE, self.folder / "dist")
        self.environ = {
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "HOME": str(home),
            "CI": "1",
            "WRANGLER_SEND_METRICS": "false",
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "CLOUDFLARE_API_BASE_URL": api,
            "CLOUDFLARE_API_TOKEN": TOKEN,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
        }

    @property
    def configuration(self) -> Path:
        """Its wrangler.toml."""
        return self.folder / "wrangler.toml"

    def run(self, *arguments: str, stdin: str = "") -> Ended:
        """Run wrangler to its end."""
        done = subprocess.run(
            [str(TOOLS / "wrangler"), *arguments],
            input=stdin,
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout)

    def succeed(self, *arguments: str, stdin: str = "") -> str:
        """Run wrangler, which has to succeed, and return what it wrote."""
        ended = self.run(*arguments, stdin=stdin)
        assert ended.code == 0, ended.output
        return ended.output
