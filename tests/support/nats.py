"""nats-server with a WebSocket port, as an agent at the edge needs it."""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.process import Process, free_port, listens

PROGRAM = Path(sys.executable).parent / "nats-server"


class NatsServer:
    """One server; it keeps its ports over `stop` and `start`."""

    def __init__(self, home: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Prepare a server that keeps its files in `home`; `settings` extends its configuration."""
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self._settings = dict(settings or {})
        self._process: Process | None = None
        self.port = free_port()
        self.ws_port = free_port()

    @property
    def url(self) -> str:
        """Where clients with TCP connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the Worker connects."""
        scheme = "wss" if "tls" in self._settings.get("websocket", {}) else "ws"
        return f"{scheme}://127.0.0.1:{self.ws_port}"

    @property
    def pid(self) -> int:
        """The running server's process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start the server and wait until it accepts connections."""
        path = self._home / "nats.conf"
        path.write_text(json.dumps(self._configuration()))
        self._process = Process([str(PROGRAM), "--config", str(path)], self._home / "nats.log")
        self._process.wait_until(lambda: listens(self.port) and listens(self.ws_port))
        return self

    def stop(self) -> None:
        """Stop the server; does nothing when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def freeze(self) -> None:
        """Keep the server from answering, with its connections open."""
        assert self._process is not None
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._process is not None
        self._process.send(signal.SIGCONT)

    def _configuration(self) -> dict[str, Any]:
        websocket = {"host": "127.0.0.1", "port": self.ws_port, **self._settings.get("websocket", {})}
        if "tls" not in websocket:
            websocket["no_tls"] = True
        return {"host": "127.0.0.1", "port": self.port, **self._settings, "websocket": websocket}

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()
