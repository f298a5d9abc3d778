"""wrangler as the oracle: for the same settings its upload and ours are the same but for a short list."""

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exec_cf import deploy
from exec_cf.deploy.bundle import Bundle, Migration
from exec_cf.deploy.live import Wanted
from exec_cf.deploy.upload import metadata, migrations
from tests.deploy.documents import CONTROL_TOKEN, NAME, carried, deployed, with_
from tests.support.cloudflare import Cloudflare
from tests.support.cloudflare.contract import WRANGLER
from tests.support.workerd import BUNDLE, ROOT, WORKER
from tests.support.wrangler import Wrangler

sys.path.insert(0, str(ROOT / "build/generate"))

import bundle as embedding

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())["uploads"]
BUS = "wss://ann:hush@bus.example"


def comparable(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of an upload without what is known to differ."""
    made: dict[str, Any] = json.loads(json.dumps(sent))
    # Ours, to tell the next deployment whether anything is to be done, and people what runs.
    made["bindings"] = sorted((b for b in made["bindings"] if b["name"] != "DEPLOYMENT"), key=lambda b: str(b["name"]))
    made.pop("annotations", None)
    # wrangler's: the API's default in so many words, which no schema has.
    assert made.pop("code_update_strategy", {"mode": "deferred"})["mode"] == "deferred"
    # Ours: the schema requires it.
    if "logs" in made.get("observability", {}):
        made["observability"]["logs"].pop("enabled", None)
    return made


def uploads(api: Cloudflare) -> list[dict[str, Any]]:
    """Return the metadata of every upload."""
    return [comparable(call.content) for call in api.calls if call.operation == "put-script"]


def settings(migration_tags: list[str]) -> Bundle:
    """Return the Worker of the recordings, with some of its migrations."""
    history = (Migration("v1", ("AgentSession", "Registry")), Migration("v2", ("Extra",)))
    return Bundle(
        version="1.2.3",
        code=b"",
        name=NAME,
        compatibility_date="2026-11-01",
        compatibility_flags=(),
        namespaces={"SESSIONS": "AgentSession", "REGISTRY": "Registry"},
        migrations=tuple(migration for migration in history if migration.tag in migration_tags),
        observability={"enabled": True, "logs": {"invocation_logs": False}},
        crons=(),
    )


def test_a_new_worker_is_uploaded_as_it_was_recorded() -> None:
    bundle = settings(["v1"])
    secrets = {"NATS_WS_URL": "wss://u:p@nats.example.org", "CONTROL_TOKEN": "abc"}
    wanted = Wanted(bundle=bundle, vars={"OPEN_AGENT_OWNER": "dmestas"}, secrets=secrets)
    ours = comparable(metadata(wanted, migrations(bundle.migrations, None)))
    assert ours == comparable(RECORDED["a new Worker with secrets and a var"])


def test_a_pending_migration_is_uploaded_as_it_was_recorded() -> None:
    bundle = settings(["v1", "v2"])
    wanted = Wanted(bundle=bundle, vars={}, secrets={})
    ours = comparable(metadata(wanted, migrations(bundle.migrations, "v1")))
    assert ours == comparable(RECORDED["a pending migration"])


def test_a_new_worker_is_uploaded_as_wrangler_does(tmp_path: Path) -> None:
    with Cloudflare(tmp_path / "ours") as api:
        deployed(api, bus=BUS)
        (ours,) = uploads(api)
    with Cloudflare(tmp_path / "theirs", allowed=WRANGLER) as api:
        wrangler = Wrangler(tmp_path, api.url)
        secrets = wrangler.folder / "secrets.env"
        secrets.write_text(f"NATS_WS_URL={BUS}\nCONTROL_TOKEN={CONTROL_TOKEN}\n")
        wrangler.succeed("deploy", "--secrets-file", str(secrets), "--var", "OPEN_AGENT_OWNER:ann")
        (theirs,) = uploads(api)
        assert api.account.script(NAME).schedules == [{"cron": cron} for cron in carried().crons]
    assert ours == theirs


EXTRA = b'\nimport { DurableObject as Extra_ } from "cloudflare:workers";\nexport class Extra extends Extra_ {}\n'


def test_a_pending_migration_is_uploaded_as_wrangler_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = (WORKER / "wrangler.toml").read_text() + '\n[[migrations]]\ntag = "next"\nnew_sqlite_classes = ["Extra"]\n'
    made = embedding.settings(tomllib.loads(toml))
    code = BUNDLE.read_bytes() + EXTRA
    later = embedded(made, code)
    with Cloudflare(tmp_path / "ours") as api:
        deployed(api, bus=BUS)
        monkeypatch.setattr(deploy.bundles, "load", lambda: later)
        assert "migration next" in deployed(api, bus=BUS).printed["changed"]
        ours = uploads(api)[-1]
        assert api.account.script(NAME).migration_tag == "next"
    with Cloudflare(tmp_path / "theirs", allowed=WRANGLER) as api:
        wrangler = Wrangler(tmp_path, api.url)
        secrets = wrangler.folder / "secrets.env"
        secrets.write_text(f"NATS_WS_URL={BUS}\nCONTROL_TOKEN={CONTROL_TOKEN}\n")
        arguments = ("deploy", "--secrets-file", str(secrets), "--var", "OPEN_AGENT_OWNER:ann")
        wrangler.succeed(*arguments)
        wrangler.configuration.write_text(toml)
        (wrangler.folder / "dist" / "index.js").write_bytes(code)
        wrangler.succeed(*arguments)
        theirs = uploads(api)[-1]
    assert ours == theirs


def embedded(made: dict[str, Any], code: bytes) -> Bundle:
    """Return a bundle as the program would carry it."""
    return msgspec.convert({**made, "version": carried().version, "code": code}, Bundle)


def test_both_can_be_used_on_one_worker(tmp_path: Path) -> None:
    """wrangler keeps our secrets and removes our vars, which the next deployment puts back; we keep its secrets."""
    with Cloudflare(tmp_path / "cloudflare", allowed=WRANGLER) as api:
        deployed(api, bus=BUS)
        wrangler = Wrangler(tmp_path, api.url)
        wrangler.succeed("secret", "put", "NATS_TOKEN", stdin="hush")
        assert deployed(api, bus=BUS).printed["changed"] == []
        wrangler.succeed("deploy")
        script = api.account.script(NAME)
        names = {secret["name"] for secret in script.latest.secrets}
        assert names == {"CONTROL_TOKEN", "NATS_WS_URL", "NATS_TOKEN"}
        changed = deployed(api, bus=BUS).printed["changed"]
        assert {"code", "var OPEN_AGENT_OWNER", "workers.dev address"} <= set(changed)
        assert {secret["name"] for secret in script.latest.secrets} == names
        assert deployed(api, with_(), bus=BUS).printed["changed"] == []
