"""The Worker's bundle on workerd, configured from the same wrangler.toml that a deployment uses."""

import os
import shutil
import sqlite3
import sys
import tomllib
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.support import workerd_config
from tests.support.process import Process, Server, free_port
from tests.support.workerd_config import quoted

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "worker"
# The suite runs in both modes: with AGENTS_PER_HUB in the environment, agents share connections.
MODE = {name: os.environ[name] for name in ["AGENTS_PER_HUB"] if name in os.environ}
own_connections = pytest.mark.skipif(bool(MODE), reason="about agents with connections of their own")
BUNDLE = WORKER / "dist" / "index.js"

_CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "disk", disk = (path = {disk}, writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = ({tls}))),{web}
    (name = "cron", worker = .trigger),
  ],
  sockets = [
    (name = "http", address = {address}, http = (), service = "worker"),
    (name = "cron", address = {cron}, http = (), service = "cron"),
  ],
  v8Flags = [{v8_flags}],
);

const trigger :Workerd.Worker = (
  modules = [(name = "trigger", esModule = {trigger})],
  compatibilityDate = {date},
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [(name = "WORKER", service = "worker")],
);

{worker}"""

# One web server in the place of every public host; loopback stays the network's.
_WEB = """
    (name = "web", external = (address = {address}, http = ())),
    (name = "outbound", worker = (
      modules = [(name = "outbound", esModule = {script})],
      compatibilityDate = {date},
      bindings = [(name = "loopback", service = "internet"), (name = "web", service = "web")],
    )),"""
_ROUTER = """\
export default {
  fetch(request, env) {
    const { hostname } = new URL(request.url);
    return (hostname === "127.0.0.1" ? env.loopback : env.web).fetch(request);
  },
};
"""
# Cloudflare calls the Worker by the cron triggers of its deployment; here a request to this one does.
_TRIGGER = """\
export default {
  async fetch(request, env) {
    return Response.json(await env.WORKER.scheduled({ scheduledTime: new Date(), cron: "* * * * *" }));
  },
};
"""


def workerd_program() -> Path:
    """Return the workerd of worker/node_modules, which `make worker` installs."""
    found = sorted(WORKER.glob("node_modules/@cloudflare/workerd-*/bin/workerd"))
    if not found:
        raise FileNotFoundError("workerd is not installed: run `make worker`")
    return found[0]


class Workerd(Server):
    """One Worker; it keeps its port and its Durable Objects over `stop`, `kill` and `start`."""

    def __init__(
        self,
        home: Path,
        variables: Mapping[str, str],
        ca: str | None = None,
        web: int | None = None,
        *,
        heap_mb: int | None = None,
        disk_mb: int | None = None,
        bundle: Path = BUNDLE,
    ) -> None:
        """Prepare a Worker with these vars and secrets.

        `ca` is a PEM text that it trusts; `web` is the port of the server that stands for all public hosts; `heap_mb`
        limits the heap of JavaScript, as Cloudflare does with 128. With `disk_mb` the Durable Objects have a disk of
        their own, until the end of the process; skips where that needs rights.
        """
        (home / "state").mkdir(parents=True, exist_ok=True)
        self._home = home
        self.variables = {**MODE, **variables}
        """What the next start is given: assigning is half of a deployment."""
        self.patch = ""
        """A module around the bundle, which it imports as `bundle.js`, for the next start."""
        self.modules: dict[str, Path] = {}
        """More modules that the patch may import, by name."""
        self.bundle = bundle
        self._ca = ca
        self._web = web
        self._heap_mb = heap_mb
        self._disk_mb = disk_mb
        self.port = free_port()
        self._cron_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that the Worker wrote to its console."""
        return (self._home / "workerd.log").read_text(errors="replace")

    @property
    def logged(self) -> int:
        """How many bytes the Worker wrote to its console."""
        log = self._home / "workerd.log"
        return log.stat().st_size if log.exists() else 0

    def stored(self, kind: str, query: str) -> list[list[object]]:
        """Return the rows of a query on the disk of the Durable Objects of one class; a table may miss in some."""
        rows: list[list[object]] = []
        for file in sorted((self._home / "state" / kind).glob("*.sqlite")):
            database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            with closing(database), suppress(sqlite3.OperationalError):
                rows += [list(row) for row in database.execute(query)]
        return rows

    def alter(self, kind: str, statement: str) -> None:
        """Run a statement on the disk of the Durable Objects of one class, while the Worker is stopped."""
        for file in sorted((self._home / "state" / kind).glob("*.sqlite")):
            with closing(sqlite3.connect(file)) as database, suppress(sqlite3.OperationalError):
                database.execute(statement)
                database.commit()

    def disk(self) -> bytes:
        """Return all that the Durable Objects have on disk, the pages that a database no longer uses included."""
        return b"".join(file.read_bytes() for file in sorted((self._home / "state").rglob("*")) if file.is_file())

    def start(self) -> Self:
        """Start workerd and wait until the Worker is healthy."""
        config = self._home / "workerd.capnp"
        config.write_text(self._configuration())
        # Cap'n Proto embeds files below the configuration only.
        for name, module in {"index.js": self.bundle, **self.modules}.items():
            shutil.copy(module, self._home / name)
        # The trigger's handler is what is experimental.
        argv = [str(workerd_program()), "serve", "--experimental", str(config)]
        self._process = Process([*self._mounting(), *argv], self._home / "workerd.log")
        self._process.wait_until(self._healthy)
        return self

    def fill_disk(self) -> None:
        """Take all the room that is left on the disk of the Durable Objects."""
        file = os.open(self._filler, os.O_CREAT | os.O_WRONLY)
        with suppress(OSError):
            while True:
                os.write(file, bytes(4096))
        os.close(file)

    def free_disk(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        """A file on the disk that only the process sees."""
        return Path(f"/proc/{self.process.pid}/root{self._home}/state/filler")

    def _mounting(self) -> list[str]:
        """Return the command that runs another one with a disk of its own, if there is to be one."""
        if self._disk_mb is None:
            return []
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("needs root, and the name spaces of Linux")
        mount = f'mount -t tmpfs -o size={self._disk_mb}m tmpfs "$0" && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, str(self._home / "state")]

    def trigger_cron(self) -> None:
        """Do what Cloudflare does once a minute."""
        httpx.get(f"http://127.0.0.1:{self._cron_port}/", trust_env=False, timeout=60).raise_for_status()

    def alarms(self, kind: str) -> int:
        """Return how many Durable Objects of one class have an alarm set."""
        return len(self.stored(kind, "SELECT actor_id FROM _cf_ALARM"))

    def lose_alarms(self, kind: str) -> None:
        """Delete the alarms of one class, while the Worker is stopped: as when the platform gave up on them."""
        self.alter(kind, "DELETE FROM _cf_ALARM")

    def client(self, token: str | None = None) -> httpx.Client:
        """Return an HTTP client of the Worker's routes."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _configuration(self) -> str:
        deployment: dict[str, Any] = tomllib.loads((WORKER / "wrangler.toml").read_text())
        objects = deployment["durable_objects"]["bindings"]
        trusted = "" if self._ca is None else f", trustedCertificates = [{quoted(self._ca)}]"
        entry = [workerd_config.module("worker", "index.js")]
        if self.patch:
            bundle = workerd_config.module("bundle.js", "index.js")
            more = [workerd_config.module(name, name) for name in self.modules]
            entry = [f'(name = "worker", esModule = {quoted(self.patch)})', bundle, *more]
        worker = workerd_config.worker(
            modules=entry,
            date=deployment["compatibility_date"],
            flags=deployment["compatibility_flags"],
            bindings=[
                *(workerd_config.text(name, value) for name, value in self.variables.items()),
                *(workerd_config.durable_object(o["name"], o["class_name"]) for o in objects),
            ],
            namespaces=[workerd_config.namespace(o["class_name"], o["class_name"]) for o in objects],
            outbound="internet" if self._web is None else "outbound",
        )
        return _CONFIG.format(
            worker=worker,
            cron=quoted(f"127.0.0.1:{self._cron_port}"),
            trigger=quoted(_TRIGGER),
            v8_flags="" if self._heap_mb is None else quoted(f"--max-old-space-size={self._heap_mb}"),
            disk=quoted(str(self._home / "state")),
            tls=f"trustBrowserCas = true{trusted}",
            address=quoted(f"127.0.0.1:{self.port}"),
            date=quoted(deployment["compatibility_date"]),
            web="" if self._web is None else self._web_services(self._web, deployment["compatibility_date"]),
        )

    def _web_services(self, port: int, date: str) -> str:
        return _WEB.format(address=quoted(f"127.0.0.1:{port}"), script=quoted(_ROUTER), date=quoted(date))
