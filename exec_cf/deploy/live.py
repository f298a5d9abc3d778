"""The deployed Worker, and how it differs from the wanted one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from exec_cf.deploy import fingerprint
from exec_cf.deploy.bundle import Bundle
from exec_cf.deploy.fingerprint import Fingerprint
from exec_cf.deploy.messages import CONTROL_TOKEN

NEW = "new Worker"


class Share(msgspec.Struct, frozen=True):
    """A version and its share of the traffic, in percent."""

    version_id: str
    percentage: float = 0


class Deployment(msgspec.Struct, frozen=True):
    """One deployment of a Worker."""

    versions: tuple[Share, ...] = ()


class Deployments(msgspec.Struct, frozen=True):
    """The deployments of a Worker, the newest first."""

    deployments: tuple[Deployment, ...] = ()

    @property
    def shares(self) -> tuple[Share, ...]:
        """The live versions, the one with the most traffic first."""
        newest = self.deployments[0].versions if self.deployments else ()
        return tuple(sorted(newest, key=lambda share: -share.percentage))


class Binding(msgspec.Struct, frozen=True):
    """A binding of a Worker: a var, a secret (without its value), a Durable Object namespace or something else."""

    name: str
    type: str
    text: str | None = None
    class_name: str | None = None


class _Script(msgspec.Struct, frozen=True):
    last_deployed_from: str | None = None


class _Runtime(msgspec.Struct, frozen=True):
    migration_tag: str | None = None
    compatibility_date: str | None = None
    compatibility_flags: tuple[str, ...] | None = None


class _Resources(msgspec.Struct, frozen=True):
    bindings: tuple[Binding, ...] | None = None
    script: _Script | None = None
    script_runtime: _Runtime | None = None


class Version(msgspec.Struct, frozen=True):
    """A version of a Worker, as the API returns it."""

    resources: _Resources


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a Worker with the most traffic."""

    bindings: tuple[Binding, ...] = ()
    tag: str | None = None
    compatibility_date: str = ""
    compatibility_flags: tuple[str, ...] = ()
    deployed_from: str = ""
    versions: int = 1
    """How many versions share the traffic."""

    @property
    def vars(self) -> dict[str, str]:
        """The value of each var, by name."""
        return {b.name: b.text or "" for b in self.bindings if b.type == "plain_text"}

    @property
    def secrets(self) -> set[str]:
        """The names of its secrets."""
        return {b.name for b in self.bindings if b.type == "secret_text"}

    @property
    def namespaces(self) -> dict[str, str]:
        """The class of each Durable Object namespace, by binding."""
        return {b.name: b.class_name or "" for b in self.bindings if b.type == "durable_object_namespace"}

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint that an earlier deployment by this program left."""
        return fingerprint.parse(self.vars.get(fingerprint.VAR, ""))

    def is_of(self, bundle: Bundle) -> bool:
        """Return whether it is a release of the Worker in *bundle*, whoever deployed it."""
        return bundle.own_bindings.items() <= self.namespaces.items()

    def __str__(self) -> str:
        """Return a short description for messages."""
        by = f"last deployed by {self.deployed_from}, " if self.deployed_from else ""
        count = len(self.bindings)
        return f"{by}{count} binding{'' if count == 1 else 's'}"


EMPTY = Live(versions=0)
"""A Worker without any deployed version."""


def live(version: Version, shares: Sequence[Share]) -> Live:
    """Return the live Worker from the API's version and traffic shares."""
    runtime = version.resources.script_runtime or _Runtime()
    script = version.resources.script or _Script()
    return Live(
        bindings=version.resources.bindings or (),
        tag=runtime.migration_tag or None,
        compatibility_date=runtime.compatibility_date or "",
        compatibility_flags=runtime.compatibility_flags or (),
        deployed_from=script.last_deployed_from or "",
        versions=len(shares),
    )


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The Worker as the document describes it."""

    bundle: Bundle
    vars: Mapping[str, str]
    secrets: Mapping[str, str]
    """The values of the secrets that the document names."""
    removed: tuple[str, ...] = ()
    """The names of the secrets to remove."""

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint that the deployment will leave."""
        return fingerprint.of(self.bundle, self.secrets)


def changes(now: Live | None, wanted: Wanted, migration: Mapping[str, Any] | None) -> list[str]:
    """Return descriptions of what an upload would change; empty if none is needed."""
    return [NEW] if now is None else list(_changes(now, wanted, migration))


def removals(now: Live | None, wanted: Wanted) -> list[str]:
    """Return the names of the existing secrets to remove."""
    return [name for name in wanted.removed if now and name in now.secrets]


def _changes(now: Live, wanted: Wanted, migration: Mapping[str, Any] | None) -> Iterator[str]:
    yield from _code(now.fingerprint, wanted.fingerprint)
    if now.compatibility_date != wanted.bundle.compatibility_date:
        yield f"compatibility date {now.compatibility_date or 'none'} to {wanted.bundle.compatibility_date}"
    if sorted(now.compatibility_flags) != sorted(wanted.bundle.compatibility_flags):
        yield "compatibility flags"
    if migration:
        yield f"migration {migration['new_tag']}"
    yield from _bindings(now, wanted)
    yield from _secrets(now, wanted)
    if now.versions > 1:
        yield "all traffic to one version"


def _code(now: Fingerprint | None, wanted: Fingerprint) -> Iterator[str]:
    if now is None or now.version == wanted.version:
        if now is None or now.code != wanted.code:
            yield "code"
    else:
        yield f"code {now.version} to {wanted.version}"


def _bindings(now: Live, wanted: Wanted) -> Iterator[str]:
    before = {name: text for name, text in now.vars.items() if name != fingerprint.VAR}
    for name in sorted(wanted.vars.keys() | before.keys()):
        if name not in wanted.vars:
            yield f"var {name} removed"
        elif wanted.vars[name] != before.get(name):
            yield f"var {name}"
    for name in sorted(wanted.bundle.namespaces.keys() | now.namespaces.keys()):
        if name not in wanted.bundle.namespaces:
            yield f"binding {name} removed"
        elif wanted.bundle.namespaces[name] != now.namespaces.get(name):
            yield f"binding {name}"
    kept = {"plain_text", "secret_text", "secret_key", "durable_object_namespace"}
    yield from (f"binding {binding.name} removed" for binding in now.bindings if binding.type not in kept)


def _secrets(now: Live, wanted: Wanted) -> Iterator[str]:
    before, after = now.fingerprint.secrets if now.fingerprint else {}, wanted.fingerprint.secrets
    has_new_key = CONTROL_TOKEN in after and before.get(CONTROL_TOKEN) != after[CONTROL_TOKEN]
    for name in wanted.secrets:
        if name not in now.secrets:
            yield f"secret {name}"
        elif not after:
            yield f"secret {name} (not comparable)"
        elif before.get(name) != after[name] and (name == CONTROL_TOKEN or not has_new_key):
            yield f"secret {name}"
