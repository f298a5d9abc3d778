"""Worker documents, and the program run on them against the stand-in."""

from collections.abc import Mapping
from typing import Any

import yaml

from exec_cf.cli import run
from exec_cf.deploy import bundle
from exec_cf.deploy.bundle import Bundle
from tests.support.cloudflare import ACCOUNT, TOKEN, Cloudflare
from tests.support.world import LiveWorld

CONTROL_TOKEN = "c0ffee" * 8
NAME = "orch-cf-agent"

DOCUMENT: Mapping[str, Any] = {
    "vars": {"OPEN_AGENT_OWNER": "ann"},
    "secrets": {"NATS_WS_URL": {"env": "BUS"}, "CONTROL_TOKEN": {"file": "control.token"}},
}
"""A document as the README shows one."""


def with_(**changes: Any) -> dict[str, Any]:
    """Return the document with some of its fields changed; None removes one."""
    return {key: value for key, value in {**DOCUMENT, **changes}.items() if value is not None}


def with_secrets(**changes: Any) -> dict[str, Any]:
    """Return the document with some of its secrets changed."""
    return with_(secrets={**DOCUMENT["secrets"], **changes})


class Desk(LiveWorld):
    """The world of somebody who deploys: a document, a token file, an environment; pauses are not waited for."""

    def __init__(
        self,
        api: Cloudflare,
        document: Mapping[str, Any] = DOCUMENT,
        *,
        bus: str = "ws://127.0.0.1:1",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        own = {
            "CLOUDFLARE_API_BASE_URL": api.url,
            "CLOUDFLARE_API_TOKEN": TOKEN,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
            "BUS": bus,
        }
        super().__init__(yaml.safe_dump(dict(document)).encode(), {**own, **(environ or {})})
        self.files["control.token"] = CONTROL_TOKEN.encode() + b"\n"

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)

    def deploy(self, *arguments: str) -> int:
        """Deploy and return the exit code."""
        return self._run("--deploy", *arguments)

    def undeploy(self, *arguments: str) -> int:
        """Delete and return the exit code."""
        return self._run("--undeploy", *arguments)

    def _run(self, *arguments: str) -> int:
        try:
            return run(arguments, self)
        finally:
            self.close()

    @property
    def printed(self) -> dict[str, Any]:
        """The document that was printed."""
        read: dict[str, Any] = yaml.safe_load(self.written)
        return read

    @property
    def said(self) -> str:
        """All diagnostics."""
        return "\n".join(self.errors)


def deployed(api: Cloudflare, document: Mapping[str, Any] = DOCUMENT, **more: Any) -> Desk:
    """Deploy, which has to succeed."""
    desk = Desk(api, document, **more)
    assert desk.deploy() == 0, desk.said
    return desk


def carried() -> Bundle:
    """Return the Worker that the program carries."""
    return bundle.load()
