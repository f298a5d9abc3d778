"""Deploying and deleting the Worker, against the stand-in, which runs what it gets."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml

from exec_cf import deploy
from exec_cf.cli import run
from exec_cf.deploy.api import ApiError
from exec_cf.deploy.refusals import MEANINGS, diagnostic
from tests.deploy.documents import (
    CONTROL_TOKEN,
    DOCUMENT,
    NAME,
    Desk,
    carried,
    deployed,
    with_,
    with_secrets,
)
from tests.support.caller import Caller, text_of
from tests.support.cloudflare import ACCOUNT, TOKEN, Account, Cloudflare
from tests.support.cloudflare.server import Reply, answered, dripping, lost, refused, unheard
from tests.support.manners import Call, Manner, Server, in_turn, raw, redirect, status
from tests.support.nats import NatsServer
from tests.support.specs import spec
from tests.support.world import LiveWorld

NEW = ["GET deployments", "GET subdomain", "PUT script", "GET worker", "POST subdomain"]
UNCHANGED = ["GET deployments", "GET version", "GET worker"]
_SHORT = {
    "list-deployments": "GET deployments",
    "get-version": "GET version",
    "get-account-subdomain": "GET subdomain",
    "put-script": "PUT script",
    "get-worker": "GET worker",
    "post-script-subdomain": "POST subdomain",
    "get-schedules": "GET schedules",
    "put-schedules": "PUT schedules",
}


def calls(api: Cloudflare) -> list[str]:
    """Return what was asked for since the last look, in short; schedules apart, which not every release has."""
    made = [_SHORT.get(call.operation, call.operation) for call in api.calls]
    api.calls.clear()
    return [call for call in made if "schedules" not in call]


def operations(api: Cloudflare) -> list[str]:
    """Return the operations that were asked for since the last look."""
    made = [call.operation for call in api.calls]
    api.calls.clear()
    return made


def health(api: Cloudflare) -> dict[str, Any]:
    """Return what the deployed Worker says."""
    url = api.address(api.account, api.account.script(NAME))
    said: dict[str, Any] = httpx.get(f"{url}/health", trust_env=False).json()
    return said


@pytest.mark.anyio
async def test_a_deployed_worker_runs_agents(api: Cloudflare, bus: NatsServer) -> None:
    """From nothing to an agent that answers a prompt, and back to nothing."""
    desk = deployed(api, bus=bus.ws_url)
    url = desk.printed["url"]
    spawner = LiveWorld(spec(url, "owner: ann"), {"CF_WORKER_TOKEN": CONTROL_TOKEN})
    assert run([], spawner) == 0
    spawner.close()
    handle = yaml.safe_load(spawner.written)
    assert handle["status"] == "ready", handle
    async with Caller.connected(bus.url) as caller:
        assert text_of(await caller.prompt(handle["bus"]["prompt"], "hello")) == "hello"
        assert Desk(api).undeploy("--yes") == 0
        assert await caller.services() == []
    assert api.account.scripts == {}


def test_what_is_printed(api: Cloudflare) -> None:
    desk = deployed(api)
    assert desk.printed == {
        "worker": NAME,
        "account": ACCOUNT,
        "url": api.address(api.account, api.account.script(NAME)),
        "version": carried().version,
        "changed": desk.printed["changed"],
        "status": "ready",
    }
    assert desk.printed["changed"][0] == "new Worker"
    line = f'to use it: export CF_WORKER_URL={desk.printed["url"]} CF_WORKER_TOKEN="$(cat control.token)"'
    assert line in desk.said
    assert "is deployed and ready; changed: new Worker" in desk.errors[-1]


def test_a_new_worker_takes_five_calls_and_an_unchanged_one_three(api: Cloudflare) -> None:
    deployed(api)
    assert calls(api) == NEW
    again = deployed(api)
    assert calls(api) == UNCHANGED
    assert again.printed["changed"] == []
    assert "nothing was changed" in again.errors[-1]


def test_an_account_that_is_not_named_takes_one_call_more(api: Cloudflare) -> None:
    deployed(api, environ={"CLOUDFLARE_ACCOUNT_ID": ""})
    assert calls(api) == ["list-accounts", *NEW]


def test_routes_are_never_open(api: Cloudflare) -> None:
    """The upload that brings the code brings the token."""
    deployed(api)
    (script,) = api.account.scripts.values()
    (version,) = script.versions
    assert {"CONTROL_TOKEN", "NATS_WS_URL"} <= {secret["name"] for secret in version.secrets}
    assert health(api)["auth"] == "token"


def test_other_versions_are_not_served(api: Cloudflare) -> None:
    deployed(api)
    script = api.account.script(NAME)
    assert (script.enabled, script.previews_enabled) == (True, False)
    script.previews_enabled = True
    assert "workers.dev address" in deployed(api).printed["changed"]
    assert script.previews_enabled is False


@pytest.mark.parametrize(
    ("document", "changed"),
    [
        (with_(vars={"OPEN_AGENT_OWNER": "bob"}), ["var OPEN_AGENT_OWNER"]),
        (with_(vars=None), ["var OPEN_AGENT_OWNER removed"]),
        (with_secrets(NATS_TOKEN={"env": "BUS"}), ["secret NATS_TOKEN"]),
        (with_secrets(NATS_WS_URL={"env": "OTHER"}), ["secret NATS_WS_URL"]),
        (with_secrets(NATS_WS_URL=None), ["secret NATS_WS_URL removed"]),
    ],
)
def test_a_change_is_uploaded_and_named(api: Cloudflare, document: dict[str, Any], changed: list[str]) -> None:
    deployed(api)
    assert deployed(api, document, environ={"OTHER": "ws://other"}).printed["changed"][: len(changed)] == changed
    assert deployed(api, document, environ={"OTHER": "ws://other"}).printed["changed"] == []


def test_secrets_that_are_not_named_stay(api: Cloudflare) -> None:
    deployed(api)
    deployed(api, with_(secrets=None, vars=None))
    assert {s["name"] for s in api.account.script(NAME).latest.secrets} == {"CONTROL_TOKEN", "NATS_WS_URL"}


def test_a_version_of_another_release_is_replaced(api: Cloudflare) -> None:
    deployed(api)
    script = api.account.script(NAME)
    older = script.latest.code
    bindings = [
        {**b, "text": b["text"].replace(carried().version, "0.0.1")} if b["name"] == "DEPLOYMENT" else b
        for b in older.bindings
    ]
    script.latest.code = older._replace(bindings=tuple(bindings))
    assert deployed(api).printed["changed"] == [f"code 0.0.1 to {carried().version}"]


def test_traffic_that_two_versions_share_goes_to_the_new_one(api: Cloudflare) -> None:
    deployed(api)
    deployed(api, with_(vars=None))
    script = api.account.script(NAME)
    old, new = (version.id for version in script.versions)
    script.deploy([{"version_id": old, "percentage": 10}, {"version_id": new, "percentage": 90}], "dash", {})
    assert deployed(api, with_(vars=None)).printed["changed"] == ["all traffic to one version"]
    assert [share["percentage"] for share in script.deployments[0]["versions"]] == [100]


def test_an_environment_is_a_worker_of_its_own(api: Cloudflare) -> None:
    api.account.clears_tags = False
    desk = deployed(api, with_(env="staging"))
    assert desk.printed["worker"] == f"{NAME}-staging"
    assert api.account.script(f"{NAME}-staging").tags == [f"cf:service={NAME}", "cf:environment=staging"]


# The control token


def test_a_missing_token_file_is_created_once(api: Cloudflare) -> None:
    document = with_secrets(CONTROL_TOKEN={"file": "new.token", "create": True})
    desk = deployed(api, document)
    token = desk.files["new.token"].decode()
    assert token == desk.random_token() + "\n"
    assert 'CF_WORKER_TOKEN="$(cat new.token)"' in desk.said
    again = Desk(api, document)
    again.files = desk.files
    assert again.deploy() == 0
    assert again.printed["changed"] == []


def test_a_dry_run_creates_no_token_file(api: Cloudflare) -> None:
    desk = Desk(api, with_secrets(CONTROL_TOKEN={"file": "new.token", "create": True}))
    assert desk.deploy("--dry-run") == 0
    assert "new.token" not in desk.files


def test_a_dry_run_says_that_the_token_file_cannot_be_created(api: Cloudflare) -> None:
    desk = Desk(api, with_secrets(CONTROL_TOKEN={"file": "new.token", "create": True}))
    desk.full = True
    assert (desk.deploy("--dry-run"), desk.deploy()) == (64, 64)
    assert desk.said.count("new.token cannot be created: no space left on device; run it again, or name another") == 2
    assert api.account.scripts == {}


def test_a_refused_upload_leaves_the_token_file_for_the_next_run(api: Cloudflare) -> None:
    document = with_secrets(CONTROL_TOKEN={"file": "new.token", "create": True})
    api.treat("put-script", refused(10021))
    desk = Desk(api, document)
    assert desk.deploy() == 70
    desk.written = b""
    again = Desk(api, document)
    again.files = desk.files
    assert again.deploy() == 0
    assert health(api)["auth"] == "token"


def test_a_worker_without_a_token_is_refused(api: Cloudflare) -> None:
    desk = Desk(api, with_(secrets={"NATS_WS_URL": {"env": "BUS"}}))
    assert desk.deploy() == 65
    assert "write open: true" in desk.said
    assert api.account.scripts == {}


def test_open_routes_can_be_intended(api: Cloudflare) -> None:
    deployed(api, with_(open=True, secrets={"NATS_WS_URL": {"env": "BUS"}}))
    assert health(api)["auth"] == "none"


def test_a_worker_with_another_token_is_not_touched(api: Cloudflare) -> None:
    """Its fingerprint shows that it is somebody else's."""
    deployed(api)
    desk = Desk(api)
    desk.files["control.token"] = b"b" * 64
    before = api.account.script(NAME).latest
    for code in (desk.deploy(), desk.undeploy("--yes")):
        assert code == 70
        assert "has another CONTROL_TOKEN than the document" in desk.said
    assert api.account.script(NAME).latest is before


def test_a_worker_without_a_fingerprint_is_asked(api: Cloudflare) -> None:
    """The routes of a Worker that wrangler deployed show whose token it has."""
    deployed(api)
    forget_fingerprint(api)
    desk = Desk(api)
    desk.files["control.token"] = b"b" * 64
    assert desk.deploy() == 70
    assert "has another CONTROL_TOKEN than the document" in desk.said
    assert deployed(api).printed["changed"][:1] == ["code"]


PAGES = [
    status(403, "cf-access-domain: acme", body=b"<html>Forbidden</html>"),
    status(200, "content-type: text/html", body=b"<html>Log in</html>"),
    status(404, "content-type: text/html", body=b"<html>Not here</html>"),
]


@pytest.mark.parametrize("page", PAGES)
def test_something_in_front_of_the_worker_says_nothing_of_its_token(
    api: Cloudflare, elsewhere: Callable[[Any], None], page: Manner
) -> None:
    """Such as Cloudflare Access, or the login of a network."""
    deployed(api)
    forget_fingerprint(api)
    elsewhere(page)
    desk = Desk(api)
    assert desk.deploy("--wait", "0") == 0
    assert "cannot check whether" in desk.said


def test_a_token_that_cannot_be_compared_is_reported(api: Cloudflare) -> None:
    deployed(api)
    forget_fingerprint(api)
    api.account.script(NAME).enabled = False
    api.account.script(NAME).refresh()
    desk = Desk(api)
    desk.files["control.token"] = b"b" * 64
    assert desk.deploy() == 0
    assert "cannot check whether" in desk.said


def test_a_token_can_be_rotated(api: Cloudflare) -> None:
    deployed(api)
    desk = Desk(api, with_(rotate=True))
    desk.files["control.token"] = b"b" * 64
    assert desk.deploy() == 0
    url = desk.printed["url"]
    opened = httpx.get(f"{url}/agent/a", headers={"authorization": f"Bearer {'b' * 64}"}, trust_env=False)
    assert opened.status_code == 404


def test_a_missing_token_file_is_not_made_anew_for_a_worker_that_has_a_token(api: Cloudflare) -> None:
    deployed(api)
    desk = Desk(api, with_secrets(CONTROL_TOKEN={"file": "new.token", "create": True}))
    assert desk.deploy() == 70
    assert "new.token is missing" in desk.said
    assert "new.token" not in desk.files


def forget_fingerprint(api: Cloudflare) -> None:
    """Leave the Worker as wrangler does, which removes the var."""
    latest = api.account.script(NAME).latest
    bindings = tuple(b for b in latest.code.bindings if b["name"] != "DEPLOYMENT")
    latest.code = latest.code._replace(bindings=bindings)
    api.account.script(NAME).refresh()


# Workers of others


FOREIGN = b"export default { fetch() { return new Response('mine'); } };"


def foreign(api: Cloudflare) -> None:
    """Let the account have a Worker of that name that is not this program's."""
    metadata = {"main_module": "a.js", "bindings": [{"type": "plain_text", "name": "A", "text": "1"}]}
    api.account.upload(NAME, metadata, {"a.js": FOREIGN}, strict=False, source="dash")


def test_a_worker_that_is_not_ours_is_not_touched(api: Cloudflare) -> None:
    foreign(api)
    desk = Desk(api)
    assert (desk.deploy(), desk.undeploy("--yes")) == (70, 70)
    assert desk.said.count(f"another Worker named {NAME} (last deployed by dash, 1 binding)") == 2
    assert len(api.account.script(NAME).versions) == 1


def test_a_worker_that_is_not_ours_can_be_replaced(api: Cloudflare) -> None:
    foreign(api)
    desk = deployed(api, with_(replace=True))
    assert "var A removed" in desk.said
    assert health(api)["auth"] == "token"


def test_a_worker_of_a_newer_program_is_not_touched(api: Cloudflare) -> None:
    deployed(api)
    api.account.script(NAME).migration_tag = "v99"
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "is at migration v99, which this program does not know" in desk.said


def test_a_worker_of_an_earlier_release_gets_the_migrations_that_it_lacks(
    api: Cloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = carried()
    first, *later = newest.migrations
    with monkeypatch.context() as earlier:
        bundle = msgspec.structs.replace(newest, migrations=(first,), namespaces=newest.own_bindings)
        earlier.setattr(deploy.bundles, "load", lambda: bundle)
        deployed(api)
        assert api.account.script(NAME).migration_tag == first.tag
    assert f"migration {later[-1].tag}" in deployed(api).printed["changed"]
    assert api.account.script(NAME).classes == [
        name for migration in newest.migrations for name in migration.new_sqlite_classes
    ]


def test_a_worker_without_a_tag_gets_no_migration(api: Cloudflare) -> None:
    deployed(api)
    api.account.script(NAME).migration_tag = None
    assert deployed(api, with_(vars=None)).printed["changed"] == ["var OPEN_AGENT_OWNER removed"]


# Accounts and subdomains


def test_one_account_is_taken_and_several_are_listed(tmp_path: Path) -> None:
    second = Account(tmp_path / "b", "Beta", "b" * 32)
    with Cloudflare(tmp_path, Account(tmp_path / "a"), second) as api:
        desk = Desk(api, environ={"CLOUDFLARE_ACCOUNT_ID": ""})
        assert desk.deploy() == 64
        assert (
            f'the token gives access to several accounts: {ACCOUNT} "Acme", {"b" * 32} "Beta"; '
            "set CLOUDFLARE_ACCOUNT_ID" in desk.said
        )
        assert deployed(api, with_(account="b" * 32), environ={"CLOUDFLARE_ACCOUNT_ID": ""}).printed["account"] == (
            "b" * 32
        )


def test_of_many_accounts_the_first_are_listed(tmp_path: Path) -> None:
    others = [Account(tmp_path / f"{number}", f"Team {number}", f"{number:032x}") for number in range(49)]
    with Cloudflare(tmp_path, Account(tmp_path / "a"), *others) as api:
        desk = Desk(api, environ={"CLOUDFLARE_ACCOUNT_ID": ""})
        assert desk.deploy() == 64
        assert f'{3:032x} "Team 3", and more; set CLOUDFLARE_ACCOUNT_ID' in desk.errors[-1]
        assert "Team 4" not in desk.said


@pytest.mark.parametrize("is_account_token", [False, True])
def test_a_token_without_an_account_is_refused_with_a_hint(api: Cloudflare, is_account_token: bool) -> None:
    api.hides_accounts = True
    api.is_account_token = is_account_token
    desk = Desk(api, environ={"CLOUDFLARE_ACCOUNT_ID": ""})
    assert desk.deploy() == 64
    assert "set CLOUDFLARE_ACCOUNT_ID" in desk.said


def test_an_account_without_a_subdomain_is_reported_before_the_upload(api: Cloudflare) -> None:
    api.account.subdomain = None
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "no workers.dev subdomain; write subdomain: NAME" in desk.said
    assert "put-script" not in operations(api)


def test_a_subdomain_is_registered_when_it_is_named(api: Cloudflare) -> None:
    api.account.subdomain = None
    deployed(api, with_(subdomain="fresh"))
    assert api.account.subdomain == "fresh"


def test_a_subdomain_is_never_renamed(api: Cloudflare) -> None:
    desk = Desk(api, with_(subdomain="other"))
    assert desk.deploy() == 70
    assert "subdomain is acme, not other" in desk.said


def test_a_subdomain_that_is_taken_is_said_to_be(api: Cloudflare) -> None:
    api.account.subdomain = None
    desk = Desk(api, with_(subdomain="taken"))
    assert desk.deploy() == 70
    assert "that subdomain is taken (code 10031)" in desk.said


# The API token


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("active", "it is active; give it the permission Workers Scripts: Edit"),
        ("expired", "it is expired; create another API token"),
    ],
)
@pytest.mark.parametrize("is_account_token", [False, True])
def test_the_status_of_a_refused_token_is_reported(
    api: Cloudflare, status: str, words: str, is_account_token: bool
) -> None:
    api.token_status = status
    api.may_write = False
    api.is_account_token = is_account_token
    desk = Desk(api)
    assert desk.deploy() == 70
    assert f"refuses the token for this account (code 10000: Authentication error); {words}" in desk.said


def test_a_refused_token_is_reported_even_if_its_status_makes_no_sense(api: Cloudflare) -> None:
    api.may_write = False
    api.treat("verify-user-token", answered(200, b'{"success": true, "result": []}'))
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "refuses the token for this account (code 10000: Authentication error)" in desk.said


def test_a_wrong_token_is_not_valid(api: Cloudflare) -> None:
    desk = Desk(api, environ={"CLOUDFLARE_API_TOKEN": "wrong"})
    assert desk.deploy() == 70
    assert "(code 10000: Authentication error); check that it is the whole token" in desk.said


def test_a_token_that_is_bound_to_other_addresses_is_said_to_be(api: Cloudflare) -> None:
    elsewhere = refused(9109, "Cannot use the access token from location: 192.0.2.1", status=403)
    api.treat("list-deployments", elsewhere)
    api.treat("verify-user-token", elsewhere)
    api.treat("verify-account-token", elsewhere)
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "(code 9109: Cannot use the access token from location: 192.0.2.1); check" in desk.errors[-1]


def test_a_key_in_the_place_of_the_token_is_recognised(api: Cloudflare) -> None:
    api.treat("list-deployments", refused(6003, "Invalid request headers", status=400))
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "set it to an API token, without quotes; the Global API Key is not one" in desk.errors[-1]


# The manners of the API


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (10021, "Cloudflare cannot load the Worker (code 10021): refused; please report this"),
        (10027, "too large for this account"),
        (10063, "no workers.dev subdomain"),
        (10064, "is in use"),
        (10074, "the migrations do not fit"),
        (10353, "blocked the account"),
        (99999, "Cloudflare refuses (code 99999)"),
    ],
)
def test_a_refusal_becomes_a_sentence_with_its_code(api: Cloudflare, code: int, words: str) -> None:
    api.treat("put-script", refused(code))
    desk = Desk(api)
    assert desk.deploy() == 70
    assert words in desk.said
    assert f"(code {code})" in desk.errors[-1]
    assert operations(api).count("put-script") == 1


def test_every_known_refusal_has_a_cure() -> None:
    assert all(meaning.message and meaning.hint for meaning in MEANINGS.values())


def test_a_refusal_without_a_code_or_a_message_is_known_by_its_status() -> None:
    assert str(diagnostic(ApiError(0, "", 403))) == "Cloudflare refuses (HTTP 403); run it again"
    assert str(diagnostic(ApiError(1234, "why", 403))) == "Cloudflare refuses (code 1234): why; see its message"


@pytest.mark.parametrize("operation", ["list-deployments", "get-account-subdomain", "put-script", "get-worker"])
def test_too_many_calls_are_waited_for(api: Cloudflare, operation: str) -> None:
    api.treat(operation, refused(971, status=429, retry_after="7"), refused(971, status=429))
    desk = deployed(api)
    assert "Cloudflare asks to wait" in desk.said
    assert len(desk.slept) >= 2


def test_a_long_wait_is_left_to_the_user(api: Cloudflare) -> None:
    api.treat("put-script", refused(971, status=429, retry_after="240"))
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "Cloudflare asks to wait 240 s (code 971); wait, and run it again" in desk.errors[-1]
    assert desk.slept == []


MANNERS: dict[str, Callable[..., Reply | None]] = {
    "a 500": refused(10013, status=500),
    "a 504 as text": answered(504, b"error code: 504"),
    "a page": answered(403, b"<html>challenge</html>", cf_mitigated="challenge"),
    "an empty answer": answered(200, b""),
    "a hang-up": unheard,
}


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
@pytest.mark.parametrize("operation", list(_SHORT)[:6])
def test_a_call_without_an_answer_is_repeated(
    api: Cloudflare, operation: str, manner: Callable[..., Reply | None]
) -> None:
    if operation == "get-version":
        deployed(api)
    api.treat(operation, manner)
    deployed(api)
    assert health(api)["version"] == carried().version


def test_an_api_of_the_environment_that_does_not_answer_is_named(api: Cloudflare) -> None:
    api.treat("list-deployments", *[answered(404, b"<html>not here</html>")] * 3)
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "HTTP 404: a web page, such as that of a login, a proxy or a firewall; check CLOUDFLARE" in desk.errors[-1]


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        (answered(403, b"<html>hush</html>", cf_mitigated="challenge"), "HTTP 403: a challenge, which only a browser"),
        (
            answered(200, b"<!DOCTYPE html>hush", content_type="text/html"),
            "HTTP 200: a web page, such as that of a login",
        ),
        (answered(302, b"", location="https://hush.example/login"), "HTTP 302: a redirect, perhaps to a login"),
        (answered(403, b"error code: 1020 hush"), "HTTP 403: error 1020 of Cloudflare's edge"),
        (answered(502, b"hush"), "HTTP 502: not in the API's format"),
        (answered(200, b'{"success": "hush"}'), "HTTP 200: not in the API's format"),
        (answered(503, b""), "HTTP 503: an empty body"),
    ],
)
def test_who_answers_instead_of_the_api_is_named_and_not_quoted(
    api: Cloudflare, strange: Callable[..., Reply | None], words: str
) -> None:
    api.treat("list-deployments", *[strange] * 3)
    desk = Desk(api)
    assert desk.deploy() == 70
    assert desk.said.count(words) == 3
    assert "hush" not in desk.said


@pytest.mark.parametrize("operation", ["list-deployments", "put-script", "get-worker"])
def test_an_api_that_is_busy_is_waited_for_as_it_asks(api: Cloudflare, operation: str) -> None:
    api.treat(operation, answered(503, b"busy", retry_after="7"))
    assert 7 in deployed(api).slept


def test_an_api_that_is_busy_for_long_is_tried_as_before_and_the_seconds_are_named(api: Cloudflare) -> None:
    api.treat("list-deployments", *[answered(503, b"busy", retry_after="240")] * 3)
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "it asks to wait 240 s" in desk.errors[-1]
    assert max(desk.slept) < 60


def test_an_answer_of_an_unknown_form_is_said_to_be_one(api: Cloudflare) -> None:
    api.treat("list-deployments", answered(200, b'{"success": true, "result": 7}'))
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "deployments: Expected `object`, got `int`; use a newer release" in desk.errors[-1]


def test_a_subdomain_that_was_registered_without_an_answer_is_seen(api: Cloudflare) -> None:
    api.account.subdomain = None
    api.treat("put-account-subdomain", lost)
    deployed(api, with_(subdomain="fresh"))
    assert api.account.subdomain == "fresh"


def test_a_secret_that_was_removed_without_an_answer_is_seen(api: Cloudflare) -> None:
    deployed(api)
    api.treat("delete-secret", lost)
    removed = deployed(api, with_secrets(NATS_WS_URL=None)).printed["changed"]
    assert removed == ["secret NATS_WS_URL removed"]
    assert [secret["name"] for secret in api.account.script(NAME).latest.secrets] == ["CONTROL_TOKEN"]


@pytest.mark.parametrize("operation", ["put-script", "post-script-subdomain"])
def test_what_was_done_without_an_answer_is_seen(api: Cloudflare, operation: str) -> None:
    api.treat(operation, lost)
    deployed(api)
    # HTTP sends once more what a kept connection lost.
    assert operations(api).count("put-script") <= 2
    assert health(api)["version"] == carried().version
    assert deployed(api).printed["changed"] == []


def test_a_new_token_of_an_upload_without_an_answer_is_recognised(api: Cloudflare) -> None:
    api.treat("put-script", lost, lost)
    desk = deployed(api, with_secrets(CONTROL_TOKEN={"file": "new.token", "create": True}))
    assert "new.token" in desk.files


def test_an_upload_that_never_gets_an_answer_ends(api: Cloudflare) -> None:
    api.treat("put-script", *[unheard] * 9)
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "does not answer" in desk.errors[-1]
    assert "run it again" in desk.errors[-1]
    api.forget_manners()
    deployed(api)


@pytest.mark.parametrize("code", [10035, 10079])
def test_a_deployment_beside_ours_is_waited_for(api: Cloudflare, code: int) -> None:
    api.treat("put-script", refused(code))
    deployed(api)
    assert operations(api).count("put-script") == 2


def test_an_answer_that_drips_is_an_answer(api: Cloudflare) -> None:
    api.treat("list-deployments", dripping(0.001))
    deployed(api)


def test_a_worker_that_is_deleted_after_the_upload_is_said_to_be(api: Cloudflare) -> None:
    api.treat("get-worker", refused(10007))
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "the Worker was deleted in the meantime (code 10007): refused; run it again" in desk.errors[-1]


# The Worker's address


@pytest.mark.parametrize("url", ["http://orch-cf-agent.acme.workers.dev", "orch-cf-agent", "https://a/?b", "ftp://a"])
def test_an_address_that_cannot_be_used_is_refused(api: Cloudflare, url: str) -> None:
    api.address = lambda _account, _script: url
    desk = Desk(api)
    assert desk.deploy() == 70
    assert "Cloudflare's API returned an unexpected answer" in desk.errors[-1]
    assert desk.written == b""


@pytest.fixture
def elsewhere(api: Cloudflare) -> Iterator[Callable[[Any], None]]:
    """Return a function that lets the Worker's address lead to a server of such manners."""
    servers = []

    def lead(manner: Any) -> None:
        server = Server(manner).__enter__()
        servers.append(server)
        api.address = lambda _account, _script: server.url

    yield lead
    for server in servers:
        server.__exit__(None, None, None)


def test_the_line_to_paste_is_quoted(api: Cloudflare, elsewhere: Callable[[Any], None]) -> None:
    elsewhere(status(404))
    url = f"{api.address(api.account, None)}/$(id)"  # type: ignore[arg-type]  # the tests' own addresses ignore the script
    api.address = lambda _account, _script: url
    desk = Desk(api)
    assert desk.deploy("--wait", "0") == 0
    assert f"export CF_WORKER_URL='{url}' CF_WORKER_TOKEN=" in desk.said


def test_a_redirect_to_a_login_page_is_not_the_worker(api: Cloudflare, elsewhere: Callable[[Any], None]) -> None:
    elsewhere(redirect("/login"))
    desk = Desk(api)
    assert desk.deploy("--wait", "0") == 0
    assert desk.printed["status"] == "pending"
    assert "does not report version" in desk.said


UNREADY = {
    "an older version": (lambda: reporting("0.0.1"), "yet: it reports version 0.0.1; run it again"),
    "no token": (lambda: reporting(carried().version, "none"), "yet: it reports auth none, not token; run it again"),
    "another agent": (lambda: status(200, body=b"{}"), "yet: HTTP 200, not from this program's Worker; run it again"),
    "Access": (
        lambda: redirect("https://acme.cloudflareaccess.com/cdn-cgi/access/login/x"),
        "yet: HTTP 302 from Cloudflare Access, not from the Worker: it asks for a login; set CF_ACCESS_CLIENT_ID",
    ),
    "nothing there": (lambda: status(404, body=b"error code: 1042"), "error 1042, no Worker answers at this address"),
    "a hang-up": (lambda: raw(b""), "yet: the connection was closed without an answer"),
}


@pytest.mark.parametrize(("manner", "words"), UNREADY.values(), ids=UNREADY)
def test_what_keeps_a_worker_from_being_ready_is_reported(
    api: Cloudflare, elsewhere: Callable[[Any], None], manner: Callable[[], Manner], words: str
) -> None:
    elsewhere(manner())
    desk = Desk(api)
    assert desk.deploy("--wait", "0") == 0
    assert desk.printed["status"] == "pending"
    assert words in desk.said


def test_behind_access_the_service_token_is_shown(api: Cloudflare, elsewhere: Callable[[Any], None]) -> None:
    """To the address that the environment names it for, and to no other."""
    up = reporting(carried().version)

    def guarded(call: Call) -> None:
        headers = call.head.headers
        shown = (headers.get("cf-access-client-id"), headers.get("cf-access-client-secret")) == ("id", "secret")
        (up if shown else redirect("https://acme.cloudflareaccess.com/login"))(call)

    elsewhere(guarded)
    url = api.address(api.account, None)  # type: ignore[arg-type]  # the tests' own addresses ignore the script
    service = {"CF_ACCESS_CLIENT_ID": "id", "CF_ACCESS_CLIENT_SECRET": "secret"}
    for own, expected in ((url, "ready"), ("https://other.example", "pending"), ("", "pending")):
        desk = Desk(api, environ={**service, "CF_WORKER_URL": own})
        assert desk.deploy("--wait", "0") == 0
        assert desk.printed["status"] == expected


def test_a_worker_that_does_not_answer_yet_is_pending_and_the_next_run_waits_only(
    api: Cloudflare, elsewhere: Callable[[Any], None]
) -> None:
    address = api.address
    elsewhere(redirect("/"))
    assert Desk(api).deploy("--wait", "0") == 0
    api.address = address
    operations(api)
    again = deployed(api)
    assert again.printed["status"] == "ready"
    assert "put-script" not in operations(api)


def test_the_old_version_is_waited_out(api: Cloudflare, elsewhere: Callable[[Any], None]) -> None:
    version = carried().version
    elsewhere(
        in_turn(reporting("0.0.1"), reporting("0.0.1"), status(404), reporting(version, "none"), reporting(version))
    )
    desk = deployed(api)
    assert desk.printed["status"] == "ready"
    assert desk.slept == [0.5, 1.0, 2.0, 2.0]


def reporting(version: str, auth: str = "token") -> Manner:
    """Answer as a Worker of a version."""
    body = json.dumps({"ok": True, "agent": "open-agent", "version": version, "auth": auth})
    return status(200, "content-type: application/json", body=body.encode())


# Cron triggers


def test_cron_triggers_are_those_of_the_worker(api: Cloudflare) -> None:
    deployed(api)
    assert {s["cron"] for s in api.account.script(NAME).schedules} == set(carried().crons)


def test_cron_triggers_are_compared_first(api: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled = msgspec.structs.replace(carried(), crons=("*/5 * * * *",))
    monkeypatch.setattr(deploy.bundles, "load", lambda: scheduled)
    assert "cron triggers" in deployed(api).printed["changed"]
    assert [call for call in operations(api) if "schedules" in call] == ["put-schedules"]
    assert deployed(api).printed["changed"] == []
    assert [call for call in operations(api) if "schedules" in call] == ["get-schedules"]
    api.account.script(NAME).schedules = []
    assert deployed(api).printed["changed"] == ["cron triggers"]
    assert api.account.script(NAME).schedules == [{"cron": "*/5 * * * *"}]


# Dry runs


def test_a_dry_run_only_reads(api: Cloudflare) -> None:
    desk = Desk(api)
    assert desk.deploy("--dry-run") == 0
    assert desk.printed["status"] == "planned"
    assert desk.printed["changed"] == ["new Worker"]
    deployed(api)
    operations(api)
    for desk in (Desk(api, with_(vars=None)), Desk(api)):
        assert desk.deploy("--dry-run") == 0
        assert desk.undeploy("--dry-run") == 0
    assert all(call.startswith(("get", "list")) for call in operations(api))


def test_a_dry_run_names_what_is_changed_after_the_upload(api: Cloudflare) -> None:
    deployed(api)
    api.account.script(NAME).enabled = False
    api.account.script(NAME).schedules = []
    planned = Desk(api)
    assert planned.deploy("--dry-run") == 0
    assert planned.printed["changed"] == deployed(api).printed["changed"] != []


# Deleting


def test_deleting_asks_first(api: Cloudflare) -> None:
    deployed(api)
    desk = Desk(api)
    desk.files["worker.yaml"] = yaml.safe_dump(dict(DOCUMENT)).encode()
    desk.terminal = True
    desk.answers = ["no", "yes"]
    assert desk.undeploy("worker.yaml") == 64
    assert "not confirmed" in desk.said
    assert desk.undeploy("worker.yaml") == 0
    assert f"Delete the Worker {NAME} of account {ACCOUNT} with the conversations of all its agents?" in desk.said


def test_deleting_without_a_terminal_needs_yes(api: Cloudflare) -> None:
    deployed(api)
    desk = Desk(api)
    assert desk.undeploy() == 64
    assert "pass --yes" in desk.said
    assert NAME in api.account.scripts


@pytest.mark.parametrize("page", PAGES)
def test_agents_are_not_called_stopped_by_something_in_front_of_the_worker(
    api: Cloudflare, elsewhere: Callable[[Any], None], page: Manner
) -> None:
    deployed(api)
    elsewhere(page)
    desk = Desk(api)
    assert desk.undeploy("--yes") == 0
    assert "its agents could not be stopped first: HTTP " in desk.said
    assert api.account.scripts == {}


def test_what_is_gone_stays_gone(api: Cloudflare) -> None:
    desk = Desk(api)
    assert desk.undeploy("--yes") == 0
    assert f"there is no Worker {NAME}" in desk.said


def test_a_deletion_without_an_answer_is_seen(api: Cloudflare) -> None:
    deployed(api)
    api.treat("delete-script", lost)
    assert Desk(api).undeploy("--yes") == 0
    assert api.account.scripts == {}


def test_a_worker_that_others_use_is_not_deleted(api: Cloudflare) -> None:
    deployed(api)
    api.account.script(NAME).used_by = ["shop"]
    desk = Desk(api)
    assert desk.undeploy("--yes") == 70
    assert "is in use by shop" in desk.said


def test_deleting_needs_no_secrets(api: Cloudflare) -> None:
    deployed(api)
    desk = Desk(api, environ={"BUS": ""})
    desk.files.clear()
    assert desk.undeploy("--yes") == 0


# Secrets


def test_no_secret_is_shown(api: Cloudflare) -> None:
    """Not on stdout, not on stderr, in prose or in JSON, in success or refusal, even where Cloudflare repeats them."""
    bus = "wss://ann:hush-hush@bus.example"
    api.treat("put-script", refused(10021, f"cannot load {bus} {CONTROL_TOKEN} {TOKEN}"))
    for arguments in (["--format", "json"], [], [], ["--dry-run"]):
        desk = Desk(api, bus=bus)
        desk.deploy(*arguments)
        shown = desk.said + desk.written.decode()
        assert not [secret for secret in ("hush-hush", CONTROL_TOKEN, TOKEN) if secret in shown]


@pytest.mark.parametrize("before", [0, 42, 163, 191])
def test_no_part_of_a_secret_is_shown_from_an_answer_that_is_cut(api: Cloudflare, before: int) -> None:
    api.treat("list-deployments", refused(10013, "x" * before + " " + CONTROL_TOKEN + TOKEN, status=500))
    desk = Desk(api)
    assert desk.deploy() == 0
    assert CONTROL_TOKEN[:6] not in desk.said
    assert TOKEN[:6] not in desk.said


def test_no_secret_of_several_lines_is_shown(api: Cloudflare) -> None:
    """Neither from a page, whose lines are joined, nor from a message that repeats it as JSON."""
    secret = "-----BEGIN-----\nhush-hush-hush\n------END------\n"
    api.treat(
        "put-script",
        answered(504, f"<pre>{secret}</pre>".encode()),
        refused(10021, f"cannot load {json.dumps(secret)}"),
    )
    desk = Desk(api, with_secrets(NATS_CREDS={"file": "agents.creds"}))
    desk.files["agents.creds"] = secret.encode()
    assert desk.deploy() == 70
    assert "(code 10021)" in desk.said
    assert "hush" not in desk.said


def test_the_api_never_gets_a_secret_but_in_the_upload(api: Cloudflare) -> None:
    deployed(api, bus="wss://ann:hush-hush@bus.example")
    for call in api.calls:
        text = f"{call.request.path}{call.request.query}{call.request.body!r}{dict(call.request.headers)}"
        assert ("hush-hush" in text) == (call.operation == "put-script")


def test_an_environment_variable_that_the_document_does_not_name_stays_here(api: Cloudflare) -> None:
    deployed(api, environ={"OPENROUTER_API_KEY": "stays-here"})
    assert not any(b"stays-here" in call.request.body for call in api.calls)
