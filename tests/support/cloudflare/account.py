"""The content of an account, and the rules for changing it."""

import hashlib
import itertools
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.cloudflare.runtime import Code, LoadError, Site, missing_classes

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "stand-in-token"

MAX_TEXT_BYTES = 5120
MAX_BINDINGS = 128

Binding = Mapping[str, Any]


class ApiError(Exception):
    """A refusal, as the API words it; which status goes with a code is not known, so clients may not depend on it."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(f"{message} [code: {code}]")
        self.code = code
        self.message = message
        self.status = status


class Version:
    """Code and bindings as they were uploaded."""

    def __init__(self, number: int, code: Code, metadata: Mapping[str, Any], source: str) -> None:
        self.id = str(uuid.uuid4())
        self.number = number
        self.code = code
        self.annotations = metadata.get("annotations", {})
        self.source = source
        self.created_on = _now()
        self.etag = hashlib.sha256(b"".join(code.modules.values())).hexdigest()

    @property
    def shown_bindings(self) -> list[dict[str, Any]]:
        """The bindings as the API shows them, without secret values."""
        return [
            {key: value for key, value in binding.items() if binding["type"] != "secret_text" or key != "text"}
            for binding in self.code.bindings
        ]

    @property
    def secrets(self) -> list[dict[str, str]]:
        """Name and type of each secret."""
        return [{"name": b["name"], "type": b["type"]} for b in self.code.bindings if b["type"] == "secret_text"]


class Script:
    """A Worker: its versions, which of them are live, and its settings outside of versions."""

    def __init__(self, name: str, site: Site) -> None:
        self.name = name
        self.id = uuid.uuid4().hex
        self.site = site
        self.created_on = self.modified_on = _now()
        self.versions: list[Version] = []
        self.deployments: list[dict[str, Any]] = []
        self.migration_tag: str | None = None
        self.classes: list[str] = []
        self.tags: list[str] = []
        self.observability: dict[str, Any] = {}
        self.schedules: list[dict[str, str]] = []
        self.enabled = False
        self.previews_enabled = False
        self.used_by: list[str] = []
        """Names of other Workers that depend on this one."""

    @property
    def latest(self) -> Version:
        """The version that was uploaded last."""
        return self.versions[-1]

    @property
    def live(self) -> Version | None:
        """The version with the most traffic."""
        if not self.deployments:
            return None
        most = max(self.deployments[0]["versions"], key=lambda share: share["percentage"])
        return self.version(most["version_id"])

    def version(self, version_id: str) -> Version:
        """Return a version. Raises `ApiError`."""
        for version in self.versions:
            if version.id == version_id:
                return version
        raise ApiError(100146, "Version not found", 404)

    def deploy(
        self, shares: Iterable[Mapping[str, Any]], source: str, annotations: Mapping[str, str]
    ) -> dict[str, Any]:
        """Make versions live."""
        deployment: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "source": source,
            "strategy": "percentage",
            "author_email": "user@example.com",
            "created_on": _now(),
            "versions": list(shares),
            "annotations": dict(annotations),
        }
        for share in deployment["versions"]:
            self.version(share["version_id"])
        self.deployments.insert(0, deployment)
        self.modified_on = _now()
        self.refresh()
        return deployment

    def refresh(self) -> None:
        """Run the live version if the Worker is served."""
        if self.live and self.enabled:
            self.site.run(self.live.code, self.classes)
        else:
            self.site.stop()


class Account:
    """One account; its Workers are run below *home*."""

    def __init__(
        self, home: Path, name: str = "Acme", account_id: str = ACCOUNT, subdomain: str | None = "acme"
    ) -> None:
        self.id = account_id
        self.name = name
        self.subdomain = subdomain
        self.taken: set[str] = {"taken"}
        """Subdomains of other accounts."""
        self.scripts: dict[str, Script] = {}
        self.clears_tags = True
        """Whether an upload without tags clears them; Cloudflare does not document it."""
        self._home = home
        self._numbers = itertools.count(1)
        self.keypair: tuple[str, str] | None = None
        """Key and chain when Workers are served over TLS."""

    def script(self, name: str) -> Script:
        """Return a Worker. Raises `ApiError`."""
        if name not in self.scripts:
            raise ApiError(10007, "This Worker does not exist on your account.", 404)
        return self.scripts[name]

    def register(self, subdomain: str) -> None:
        """Take a name on workers.dev. Raises `ApiError`."""
        if subdomain in self.taken:
            raise ApiError(10031, "Subdomain is unavailable", 409)
        self.subdomain = subdomain

    def upload(
        self, name: str, metadata: Mapping[str, Any], modules: Mapping[str, bytes], *, strict: bool, source: str
    ) -> Script:
        """Upload a version and make it live. Raises `ApiError` without changing anything."""
        if not self.subdomain:
            raise ApiError(10063, "You need a workers.dev subdomain in order to proceed.", 403)
        script = self.scripts.get(name) or Script(name, self._site(name))
        tag, classes = _migrated(script, metadata.get("migrations"))
        version = self._version(script, classes, metadata, modules, strict=strict, source=source)
        script.migration_tag, script.classes = tag, classes
        script.versions.append(version)
        script.observability = observed(metadata.get("observability"))
        if "tags" in metadata or self.clears_tags:
            script.tags = list(metadata.get("tags", []))
        self.scripts[name] = script
        script.deploy([{"version_id": version.id, "percentage": 100}], source, {})
        return script

    def upload_version(
        self, name: str, metadata: Mapping[str, Any], modules: Mapping[str, bytes], *, strict: bool, source: str
    ) -> Version:
        """Upload a version without making it live. Raises `ApiError`."""
        script = self.script(name)
        if metadata.get("migrations"):
            raise ApiError(10211, "A migration cannot be part of a version upload")
        version = self._version(script, script.classes, metadata, modules, strict=strict, source=source)
        script.versions.append(version)
        return version

    def change_secrets(self, name: str, changes: Mapping[str, str | None], source: str, refusal: int) -> None:
        """Set and remove secrets in a new live version. Raises `ApiError`: *refusal* when the latest is not live."""
        script = self.script(name)
        if script.latest is not script.live:
            raise ApiError(refusal, "The latest version of this Worker is not deployed.")
        kept = [b for b in script.latest.code.bindings if b["name"] not in changes]
        new = [{"name": n, "type": "secret_text", "text": t} for n, t in changes.items() if t is not None]
        _check_sizes([*kept, *new])
        code = script.latest.code._replace(bindings=(*kept, *new))
        version = Version(len(script.versions) + 1, code, {}, source)
        script.versions.append(version)
        script.deploy([{"version_id": version.id, "percentage": 100}], source, {})

    def delete(self, name: str, *, force: bool) -> None:
        """Delete a Worker with its Durable Objects. Raises `ApiError`."""
        script = self.script(name)
        if script.used_by and not force:
            raise ApiError(10064, "This Worker is in use by others")
        script.site.erase()
        del self.scripts[name]

    def close(self) -> None:
        """Stop everything that runs."""
        for script in self.scripts.values():
            script.site.stop()

    def _site(self, name: str) -> Site:
        return Site(self._home / f"{next(self._numbers)}-{name}", self.keypair)

    def _version(
        self,
        script: Script,
        classes: list[str],
        metadata: Mapping[str, Any],
        modules: Mapping[str, bytes],
        *,
        strict: bool,
        source: str,
    ) -> Version:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", script.name):
            raise ApiError(10016, "Invalid Worker name")
        bindings = _bound(script, classes, metadata, strict=strict)
        code = Code(
            script.name,
            metadata["main_module"],
            dict(modules),
            metadata.get("compatibility_date", ""),
            tuple(metadata.get("compatibility_flags", ())),
            tuple(bindings),
        )
        _check_annotations(metadata.get("annotations", {}))
        try:
            missing = missing_classes(self._home / f"scratch-{next(self._numbers)}", code, classes)
        except LoadError as error:
            raise ApiError(10021, str(error)) from None
        if missing & set(script.classes):
            raise ApiError(10064, f"New version does not export the class {min(missing)}, which has objects")
        if missing:
            raise ApiError(10070, f"The class {min(missing)} of the migration is not exported")
        return Version(len(script.versions) + 1, code, metadata, source)


def _migrated(script: Script, migrations: Mapping[str, Any] | None) -> tuple[str | None, list[str]]:
    """Return tag and classes after *migrations*. Raises `ApiError`."""
    if migrations is None:
        return script.migration_tag, script.classes
    if migrations.get("old_tag") != script.migration_tag:
        got, expected = migrations.get("old_tag") or "", script.migration_tag or ""
        message = f"Actor migration tag precondition failed, got tag '{got}' when expected tag is '{expected}'."
        raise ApiError(10079, message, 412)
    classes = list(script.classes)
    for step in migrations.get("steps", [migrations]):
        if step.get("new_classes"):
            raise ApiError(10097, "On the free plan a namespace needs new_sqlite_classes")
        for name in step.get("new_sqlite_classes", ()):
            if name in classes:
                raise ApiError(10074, f"Cannot apply new-class migration to class '{name}' that is already depended on")
            classes.append(name)
        for name in step.get("deleted_classes", ()):
            if name not in classes:
                raise ApiError(10070, f"Cannot delete the class '{name}', which does not exist")
            classes.remove(name)
    return migrations.get("new_tag"), classes


def _bound(script: Script, classes: Iterable[str], metadata: Mapping[str, Any], *, strict: bool) -> list[Binding]:
    """Return the bindings of an upload with those that it keeps. Raises `ApiError`."""
    before = script.latest.code.bindings if script.versions else ()
    named = {binding["name"] for binding in metadata.get("bindings", ())}
    kinds = metadata.get("keep_bindings", ())
    bound = [old for old in before if old["type"] in kinds and old["name"] not in named]
    for binding in metadata.get("bindings", ()):
        if binding["type"] != "inherit":
            bound.append(binding)
        elif old := [old for old in before if old["name"] == binding["name"]]:
            bound += old
        elif strict:
            raise ApiError(10057, f"The binding {binding['name']} to inherit does not exist")
    _check_sizes(bound)
    for binding in bound:
        if binding["type"] == "durable_object_namespace" and binding["class_name"] not in classes:
            raise ApiError(10061, f"Cannot create binding for class '{binding['class_name']}': it has no namespace")
    return bound


def _check_sizes(bindings: list[Binding]) -> None:
    names = [binding["name"] for binding in bindings]
    if len(set(names)) < len(names):
        raise ApiError(10056, "Two bindings have one name")
    if len(names) > MAX_BINDINGS:
        raise ApiError(10055, "Too many bindings")
    if any(len(binding.get("text", "").encode()) > MAX_TEXT_BYTES for binding in bindings):
        raise ApiError(10054, "A binding is too large")


def _check_annotations(annotations: Mapping[str, str]) -> None:
    for name, limit in (("workers/tag", 100), ("workers/message", 1000)):
        if len(annotations.get(name, "").encode()) > limit:
            raise ApiError(10001, f"{name} is longer than {limit} bytes")


def observed(setting: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a setting of observability as the API shows it, with what it left out."""
    if not setting:
        return {"enabled": False}
    logs = {"enabled": True, "invocation_logs": True, **setting.get("logs", {})}
    return {**setting, "logs": logs}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
