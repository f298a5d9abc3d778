"""The effect of each operation on an account, and its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.support.cloudflare.account import Account, ApiError, Script, Version, observed

if TYPE_CHECKING:
    from tests.support.cloudflare.contract import Request, Understood
    from tests.support.cloudflare.server import Cloudflare

_READS = frozenset({"GET"})


def authorize(api: Cloudflare, request: Request, asked: Understood) -> None:
    """Raise `ApiError` unless the token may do this."""
    if request.headers.get("authorization") != f"Bearer {api.token}":
        raise ApiError(10000, "Authentication error", 403)
    account = asked.names.get("account_id")
    if account is not None and not re.fullmatch(r"[0-9a-f]{32}", account):
        raise ApiError(7003, f"Could not route to /accounts/{account}", 404)
    if account is not None and account not in api.accounts:
        raise ApiError(10000, "Authentication error", 403)
    verifies = asked.operation.id in {"verify-user-token", "verify-account-token"}
    if not verifies and api.token_status != "active":
        raise ApiError(10000, "Authentication error", 403)
    if request.method not in _READS and not api.may_write:
        raise ApiError(10000, "Authentication error", 403)


def _account(api: Cloudflare, asked: Understood) -> Account:
    return api.accounts[asked.names["account_id"]]


def _script(api: Cloudflare, asked: Understood) -> Script:
    return _account(api, asked).script(asked.names.get("script_name") or asked.names["worker_id"])


def _verify_user_token(api: Cloudflare, _: Understood) -> Any:
    if api.is_account_token:
        raise ApiError(1000, "Invalid API Token", 401)
    return {"id": "t" * 32, "status": api.token_status}


def _verify_account_token(api: Cloudflare, _: Understood) -> Any:
    if not api.is_account_token:
        raise ApiError(1000, "Invalid API Token", 401)
    return {"id": "t" * 32, "status": api.token_status}


def _list_accounts(api: Cloudflare, _: Understood) -> Any:
    if api.is_account_token:
        raise ApiError(1001, "List accounts endpoint does not support account owned tokens.", 400)
    shown = () if api.hides_accounts else api.accounts.values()
    return [{"id": account.id, "name": account.name, "type": "standard"} for account in shown]


def _list_memberships(api: Cloudflare, _: Understood) -> Any:
    if api.is_account_token:
        raise ApiError(9106, "Authentication failed", 400)
    return [{"account": each} for each in _list_accounts(api, _)]


def _get_account_subdomain(api: Cloudflare, asked: Understood) -> Any:
    subdomain = _account(api, asked).subdomain
    if subdomain is None:
        raise ApiError(10007, "workers.api.error.subdomain_not_found", 404)
    return {"subdomain": subdomain}


def _put_account_subdomain(api: Cloudflare, asked: Understood) -> Any:
    account = _account(api, asked)
    if account.subdomain == asked.content["subdomain"]:
        raise ApiError(10036, "You already have a subdomain", 409)
    if account.subdomain is not None:
        api.faults.append("the account's subdomain was renamed, which moves every Worker of it")
    account.register(asked.content["subdomain"])
    return {"subdomain": account.subdomain}


def _modules(asked: Understood) -> dict[str, bytes]:
    return {part.filename or part.name: part.content for part in asked.modules}


def _strict(asked: Understood) -> bool:
    return asked.query.get("bindings_inherit") == "strict"


def _put_script(api: Cloudflare, asked: Understood) -> Any:
    script = _account(api, asked).upload(
        asked.names["script_name"], asked.content, _modules(asked), strict=_strict(asked), source=api.source
    )
    answer = {
        "id": script.name,
        "etag": script.latest.etag,
        "handlers": ["fetch"],
        "created_on": script.created_on,
        "modified_on": script.modified_on,
        "deployment_id": script.deployments[0]["id"].replace("-", ""),
        "startup_time_ms": 12,
        "has_modules": True,
        "has_assets": False,
        "usage_model": "standard",
        "compatibility_date": script.latest.code.date,
    }
    if asked.query.get("excludeScript") != "true":
        answer["script"] = script.latest.code.modules[script.latest.code.main].decode()
    return answer


def _post_version(api: Cloudflare, asked: Understood) -> Any:
    account, name = _account(api, asked), asked.names["script_name"]
    version = account.upload_version(name, asked.content, _modules(asked), strict=_strict(asked), source=api.source)
    return {**_shown_version(account.script(name), version), "startup_time_ms": 12}


def _get_version(api: Cloudflare, asked: Understood) -> Any:
    script = _script(api, asked)
    return _shown_version(script, script.version(asked.names["version_id"]))


def _shown_version(script: Script, version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "number": version.number,
        "annotations": dict(version.annotations),
        "metadata": {
            "created_on": version.created_on,
            "modified_on": version.created_on,
            "source": version.source,
            "author_email": "user@example.com",
        },
        "resources": {
            "bindings": version.shown_bindings,
            "script": {"etag": version.etag, "handlers": ["fetch"], "last_deployed_from": version.source},
            "script_runtime": {
                "compatibility_date": version.code.date,
                "compatibility_flags": list(version.code.flags),
                "limits": {},
                "migration_tag": script.migration_tag,
                "usage_model": "standard",
            },
        },
    }


def _list_deployments(api: Cloudflare, asked: Understood) -> Any:
    return {"deployments": _script(api, asked).deployments}


def _post_deployment(api: Cloudflare, asked: Understood) -> Any:
    body = asked.content
    return _script(api, asked).deploy(body["versions"], api.source, body.get("annotations", {}))


def _delete_script(api: Cloudflare, asked: Understood) -> Any:
    script = _script(api, asked)
    force = asked.query.get("force") == "true"
    if script.classes and not force:
        raise ApiError(10064, "This Worker has Durable Objects")
    _account(api, asked).delete(script.name, force=force)
    return {"id": ""}


def _delete_service(api: Cloudflare, asked: Understood) -> Any:
    _get_service(api, asked)
    _account(api, asked).delete(asked.names["script_name"], force=asked.query.get("force") == "true")


def _get_service(api: Cloudflare, asked: Understood) -> Any:
    account, name = _account(api, asked), asked.names["script_name"]
    if name not in account.scripts:
        raise ApiError(10090, "workers.api.error.service_not_found", 404)
    script = account.scripts[name]
    shown = {
        "id": name,
        "tag": script.id,
        "tags": script.tags,
        "etag": script.latest.etag,
        "handlers": ["fetch"],
        "modified_on": script.modified_on,
        "created_on": script.created_on,
        "usage_model": "standard",
        "compatibility_date": script.latest.code.date,
        "last_deployed_from": script.latest.source,
    }
    if script.migration_tag is not None:
        shown["migration_tag"] = script.migration_tag
    environment = {"environment": "production", "created_on": script.created_on, "modified_on": script.modified_on}
    return {"id": name, "default_environment": {**environment, "script": shown}, "environments": [environment]}


def _post_script_subdomain(api: Cloudflare, asked: Understood) -> Any:
    script, body = _script(api, asked), asked.content
    script.enabled = body["enabled"]
    script.previews_enabled = body.get("previews_enabled", body["enabled"])
    script.refresh()
    return _get_script_subdomain(api, asked)


def _get_script_subdomain(api: Cloudflare, asked: Understood) -> Any:
    script = _script(api, asked)
    return {"enabled": script.enabled, "previews_enabled": script.previews_enabled}


def _get_worker(api: Cloudflare, asked: Understood) -> Any:
    account, script = _account(api, asked), _script(api, asked)
    subdomain: dict[str, Any] = {"enabled": script.enabled, "previews_enabled": script.previews_enabled}
    if account.subdomain:
        subdomain["url"] = api.address(account, script)
    users = [{"id": f"{name:0<32}", "name": name} for name in script.used_by]
    return {
        "id": script.id,
        "name": script.name,
        "created_on": script.created_on,
        "updated_on": script.modified_on,
        "tags": script.tags,
        "logpush": False,
        "subdomain": subdomain,
        "observability": script.observability,
        "tail_consumers": [],
        "references": {
            "dispatch_namespace_outbounds": [],
            "domains": [],
            "durable_objects": [],
            "queues": [],
            "workers": users,
        },
    }


def _list_secrets(api: Cloudflare, asked: Understood) -> Any:
    return _script(api, asked).latest.secrets


def _put_secret(api: Cloudflare, asked: Understood) -> Any:
    body = asked.content
    _account(api, asked).change_secrets(asked.names["script_name"], {body["name"]: body["text"]}, api.source, 10215)
    return {"name": body["name"], "type": "secret_text"}


def _delete_secret(api: Cloudflare, asked: Understood) -> Any:
    name = unquote(asked.names["secret_name"])
    if name not in {secret["name"] for secret in _script(api, asked).latest.secrets}:
        raise ApiError(10056, "Binding not found", 404)
    _account(api, asked).change_secrets(asked.names["script_name"], {name: None}, api.source, 10215)


def _bulk_secrets(api: Cloudflare, asked: Understood) -> Any:
    changes = {name: secret and secret["text"] for name, secret in asked.content["secrets"].items()}
    _account(api, asked).change_secrets(asked.names["script_name"], changes, api.source, 10214)
    return {secret["name"]: secret for secret in _script(api, asked).latest.secrets}


def _get_settings(api: Cloudflare, asked: Understood) -> Any:
    script = _script(api, asked)
    return {
        "bindings": script.latest.shown_bindings,
        "compatibility_date": script.latest.code.date,
        "compatibility_flags": list(script.latest.code.flags),
        "usage_model": "standard",
        "tags": script.tags,
        "logpush": False,
        "migration_tag": script.migration_tag,
        **({"observability": script.observability} if script.observability else {}),
    }


def _patch_script_settings(api: Cloudflare, asked: Understood) -> Any:
    script, body = _script(api, asked), asked.content
    script.tags = body.get("tags", script.tags)
    if body.get("observability"):
        script.observability = observed(body["observability"])
    return {"tags": script.tags}


def _list_namespaces(api: Cloudflare, asked: Understood) -> Any:
    return [
        {"id": f"{script.id[:16]}{number:016}", "class": name, "script": script.name, "use_sqlite": True}
        for script in _account(api, asked).scripts.values()
        for number, name in enumerate(script.classes)
    ]


def _get_references(api: Cloudflare, asked: Understood) -> Any:
    incoming = [{"service": name} for name in _script(api, asked).used_by]
    return {"services": {"incoming": incoming, "outgoing": []}, "durable_objects": [], "dispatch_outbounds": []}


def _get_schedules(api: Cloudflare, asked: Understood) -> Any:
    return {"schedules": _script(api, asked).schedules}


def _put_schedules(api: Cloudflare, asked: Understood) -> Any:
    script = _script(api, asked)
    for schedule in asked.content:
        if not re.fullmatch(r"\S+( \S+){4}", schedule["cron"]):
            raise ApiError(10100, f"invalid cron string {schedule['cron']!r}")
    script.schedules = [{"cron": schedule["cron"]} for schedule in asked.content]
    return {"schedules": script.schedules}


PERFORM: Mapping[str, Callable[[Cloudflare, Understood], Any]] = {
    "verify-user-token": _verify_user_token,
    "verify-account-token": _verify_account_token,
    "list-accounts": _list_accounts,
    "list-memberships": _list_memberships,
    "get-account-subdomain": _get_account_subdomain,
    "put-account-subdomain": _put_account_subdomain,
    "put-script": _put_script,
    "delete-script": _delete_script,
    "get-script-subdomain": _get_script_subdomain,
    "post-script-subdomain": _post_script_subdomain,
    "list-secrets": _list_secrets,
    "put-secret": _put_secret,
    "delete-secret": _delete_secret,
    "bulk-secrets": _bulk_secrets,
    "get-settings": _get_settings,
    "patch-script-settings": _patch_script_settings,
    "post-version": _post_version,
    "get-version": _get_version,
    "list-deployments": _list_deployments,
    "post-deployment": _post_deployment,
    "get-worker": _get_worker,
    "list-do-namespaces": _list_namespaces,
    "get-service": _get_service,
    "delete-service": _delete_service,
    "get-references": _get_references,
    "get-schedules": _get_schedules,
    "put-schedules": _put_schedules,
    "list-tail-producers": lambda _api, _asked: [],
    "list-containers": lambda _api, _asked: [],
    "list-kv-namespaces": lambda _api, _asked: [],
}
