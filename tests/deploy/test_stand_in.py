"""The stand-in for Cloudflare's API: it runs what it is sent, and refuses what the API would refuse."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cloudflare import ACCOUNT, TOKEN, Cloudflare
from tests.support.cloudflare.contract import Breach

SCRIPT = f"/accounts/{ACCOUNT}/workers/scripts/small"
CODE = """\
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async fetch() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return new Response(String(count));
  }
}
export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/env") return Response.json({ var: env.VAR, secret: env.SECRET });
    return env.COUNTER.get(env.COUNTER.idFromName("one")).fetch(request);
  },
};
"""
COUNTER = {"type": "durable_object_namespace", "name": "COUNTER", "class_name": "Counter"}
FIRST = {"new_tag": "v1", "steps": [{"new_sqlite_classes": ["Counter"]}]}
KEEP = ["secret_text"]


@pytest.fixture
def http(api: Cloudflare) -> Iterator[httpx.Client]:
    """Return a client of the API."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=api.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def upload(http: httpx.Client, code: str = CODE, query: str = "?bindings_inherit=strict", **metadata: Any) -> Any:
    """Upload a Worker and return what the API says: its result, or the code of its first error."""
    whole = {"main_module": "main.js", "compatibility_date": "2026-11-01", "bindings": [COUNTER], **metadata}
    return outcome(http.put(SCRIPT + query, files=form(code, whole)))


def form(code: str, metadata: dict[str, Any]) -> dict[str, tuple[str | None, str, str]]:
    """Return the parts of an upload."""
    return {
        "metadata": (None, json.dumps(metadata), "application/json"),
        "main.js": ("main.js", code, "application/javascript+module"),
    }


def outcome(response: httpx.Response) -> Any:
    """Return the result, or the code of the first error."""
    envelope = response.json()
    return envelope["result"] if envelope["success"] else envelope["errors"][0]["code"]


def serve(http: httpx.Client) -> str:
    """Serve the Worker on workers.dev and return its address."""
    assert http.post(SCRIPT + "/subdomain", json={"enabled": True, "previews_enabled": False}).is_success
    worker = http.get(f"/accounts/{ACCOUNT}/workers/workers/small").json()["result"]
    return str(worker["subdomain"]["url"])


def test_an_upload_runs(http: httpx.Client) -> None:
    bindings = [COUNTER, {"type": "plain_text", "name": "VAR", "text": "a"}]
    secret = {"type": "secret_text", "name": "SECRET", "text": "b"}
    upload(http, migrations=FIRST, bindings=[*bindings, secret])
    url = serve(http)
    assert httpx.get(f"{url}/env").json() == {"var": "a", "secret": "b"}
    assert [httpx.get(url).text for _ in range(2)] == ["1", "2"]


def test_objects_and_kept_secrets_outlive_an_upload_and_vars_do_not(http: httpx.Client) -> None:
    bindings = [COUNTER, {"type": "plain_text", "name": "VAR", "text": "a"}]
    upload(http, migrations=FIRST, bindings=[*bindings, {"type": "secret_text", "name": "SECRET", "text": "b"}])
    url = serve(http)
    assert httpx.get(url).text == "1"
    upload(http, keep_bindings=KEEP)
    assert httpx.get(url).text == "2"
    assert httpx.get(f"{url}/env").json() == {"secret": "b"}


def test_a_worker_that_is_not_enabled_does_not_answer(http: httpx.Client) -> None:
    upload(http, migrations=FIRST)
    url = serve(http)
    http.post(SCRIPT + "/subdomain", json={"enabled": False})
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_secret_is_never_shown(http: httpx.Client) -> None:
    upload(http, migrations=FIRST, bindings=[COUNTER, {"type": "secret_text", "name": "SECRET", "text": "hush"}])
    version = http.get(SCRIPT + "/deployments").json()["result"]["deployments"][0]["versions"][0]["version_id"]
    shown = http.get(f"{SCRIPT}/versions/{version}")
    assert {"name": "SECRET", "type": "secret_text"} in shown.json()["result"]["resources"]["bindings"]
    assert "hush" not in shown.text


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({}, 10061),
        ({"migrations": {"old_tag": "v1", **FIRST}}, 10079),
        ({"migrations": {"new_tag": "v1", "steps": [{"new_classes": ["Counter"]}]}}, 10097),
        ({"migrations": {"new_tag": "v1", "steps": [{"new_sqlite_classes": ["Counter", "Nobody"]}]}}, 10070),
        ({"migrations": FIRST, "bindings": [COUNTER, {"type": "inherit", "name": "SECRET"}]}, 10057),
        ({"migrations": FIRST, "bindings": [COUNTER, {"type": "plain_text", "name": "V", "text": "x" * 5121}]}, 10054),
    ],
)
def test_an_upload_that_does_not_fit_is_refused(http: httpx.Client, metadata: dict[str, Any], code: int) -> None:
    assert upload(http, **metadata) == code
    assert outcome(http.get(SCRIPT + "/deployments")) == 10007


def test_code_that_does_not_load_is_refused(http: httpx.Client) -> None:
    assert upload(http, "export default {", migrations=FIRST) == 10021


def test_a_class_with_objects_cannot_be_left_out(http: httpx.Client) -> None:
    upload(http, migrations=FIRST)
    assert upload(http, "export default { fetch() {} };") == 10064


def test_a_class_cannot_be_created_twice(http: httpx.Client) -> None:
    upload(http, migrations=FIRST)
    again = {"old_tag": "v1", "new_tag": "v2", "steps": [{"new_sqlite_classes": ["Counter"]}]}
    assert upload(http, migrations=again) == 10074


def test_an_account_without_a_subdomain_takes_no_upload(api: Cloudflare, http: httpx.Client) -> None:
    api.account.subdomain = None
    assert upload(http, migrations=FIRST) == 10063


def test_a_secret_needs_the_latest_version_to_be_live(http: httpx.Client) -> None:
    upload(http, migrations=FIRST)
    files = form(CODE, {"main_module": "main.js", "bindings": [COUNTER]})
    assert http.post(SCRIPT + "/versions", files=files).is_success
    secret = {"name": "SECRET", "text": "b", "type": "secret_text"}
    assert outcome(http.put(SCRIPT + "/secrets", json=secret)) == 10215


def test_a_worker_with_objects_is_deleted_by_force_alone(http: httpx.Client) -> None:
    upload(http, migrations=FIRST)
    assert outcome(http.delete(SCRIPT)) == 10064
    assert http.delete(SCRIPT + "?force=true").is_success
    assert outcome(http.delete(SCRIPT + "?force=true")) == 10007


def test_another_token_is_refused(api: Cloudflare, http: httpx.Client) -> None:
    api.token = "another"
    assert outcome(http.get(SCRIPT + "/deployments")) == 10000


@pytest.mark.parametrize(
    ("metadata", "breach"),
    [
        ({"colour": 1}, Breach("put-script", "metadata", "'colour' was unexpected")),
        (
            {"bindings": [{"type": "plain_text", "name": "V"}]},
            Breach("put-script", "metadata.bindings.0", "'text' is a required property"),
        ),
        ({"main_module": "other.js"}, Breach("put-script", "form", "the main module is not among the parts")),
    ],
)
def test_what_the_schemas_forbid_fails_the_test(
    api: Cloudflare, http: httpx.Client, metadata: dict[str, Any], breach: Breach
) -> None:
    upload(http, **{"migrations": FIRST, **metadata})
    assert str(breach) in api.faults
    api.faults.clear()


@pytest.mark.parametrize("path", [SCRIPT + "/deployments?page=1", "/user", SCRIPT + "/domains"])
def test_what_is_in_no_schema_fails_the_test(api: Cloudflare, http: httpx.Client, path: str) -> None:
    http.get(path)
    assert api.faults
    api.faults.clear()


def test_the_schemas_say_where_they_come_from() -> None:
    schemas = json.loads((Path(__file__).parents[1] / "support" / "cloudflare" / "schemas.json").read_text())
    assert "Cloudflare's official Python client" in schemas["about"]
