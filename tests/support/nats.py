"""nats-server with a WebSocket port, as an agent at the edge needs it."""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support.process import Process, Server, free_port, listens

PROGRAM = Path(sys.executable).parent / "nats-server"


class NatsServer(Server):
    """One server; it keeps its ports over `stop` and `start`."""

    def __init__(self, home: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Prepare a server that keeps its files in `home`; `settings` extends its configuration."""
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self.settings = dict(settings or {})
        self.port = free_port()
        self.ws_port = free_port()
        self._monitor_port = free_port()

    @property
    def url(self) -> str:
        """Where clients with TCP connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the Worker connects."""
        scheme = "wss" if "tls" in self.settings.get("websocket", {}) else "ws"
        return f"{scheme}://127.0.0.1:{self.ws_port}"

    @property
    def monitor_url(self) -> str:
        """The HTTP monitoring endpoint."""
        return f"http://127.0.0.1:{self._monitor_port}"

    def start(self) -> Self:
        """Start the server and wait until it accepts connections."""
        self._write()
        self._process = Process([str(PROGRAM), "--config", str(self._config)], self._home / "nats.log")
        self._process.wait_until(lambda: listens(self.port) and listens(self.ws_port))
        return self

    def reload(self, settings: Mapping[str, Any]) -> None:
        """Change some settings of the running server, and wait until they count."""
        self.settings |= settings
        self._write()
        before = self._reloads()
        self.process.send(signal.SIGHUP)
        self.process.wait_until(lambda: self._reloads() > before)

    def retire(self) -> None:
        """Stop as a lame duck: announce it, accept nobody, let the clients go one by one, and end."""
        self.process.send(signal.SIGUSR2)
        self.process.wait()
        self._process = None

    def freeze(self) -> None:
        """Keep the server from answering, with its connections open."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self.process.send(signal.SIGCONT)

    @property
    def _config(self) -> Path:
        return self._home / "nats.conf"

    def _write(self) -> None:
        self._config.write_text(json.dumps(self._configuration()))

    def _reloads(self) -> int:
        return self.process.log.read_text(errors="replace").count("Reloaded server configuration")

    def _configuration(self) -> dict[str, Any]:
        websocket = {"host": "127.0.0.1", "port": self.ws_port, **self.settings.get("websocket", {})}
        if "tls" not in websocket:
            websocket["no_tls"] = True
        monitor = f"127.0.0.1:{self._monitor_port}"
        return {"host": "127.0.0.1", "port": self.port, "http": monitor, **self.settings, "websocket": websocket}
