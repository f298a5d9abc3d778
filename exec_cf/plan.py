"""Turns a document into a plan: everything about a spawn that is known before any request."""

from collections.abc import Callable
from typing import Any

import msgspec

from exec_cf import routes, rules, subjects, urls
from exec_cf.decode import decode
from exec_cf.display import first_few
from exec_cf.document import Document
from exec_cf.errors import Code, Diagnostic, InvalidValue, Path, Refused
from exec_cf.messages import EXECUTOR, SPECS, Agent, BusBlock, SpawnSpec, Version, version_of
from exec_cf.settings import Settings, check_token_destination

DEFAULT_OWNER = "worker"
MAX_START_BYTES = 64 * 1024
"""Largest body of a start request that a Worker reads, in bytes."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Which agent to run, and where."""

    version: Version
    name: str
    agent: Agent
    session: str
    owner: str
    base: str
    """The Worker's base URL."""
    bus: BusBlock
    abort: str
    """The URL to POST to in order to stop the agent; empty if the spec disables it."""
    abort_is_default: bool
    """Whether *abort* is the route that stops every agent, so a URL for this agent alone should replace it."""
    description: str
    labels: dict[str, str]
    env: dict[str, str]


def plan(document: Document, settings: Settings) -> tuple[Plan, list[Diagnostic]]:
    """Return the plan of *document* under *settings*, and informational diagnostics.

    Raises `Refused` with every problem of the document.
    """
    checks = _Checks(document, settings)
    spec, problems = decode(document, SPECS[version_of(document.value)])
    problems = [*document.problems, *problems, *checks.problems]
    if spec is None:
        raise Refused(problems)
    planned = checks.plan(spec)
    problems += _oversize(planned, document)
    if problems:
        raise Refused(problems)
    return planned, checks.notes


def start_body(planned: Plan) -> bytes:
    """Return the body of the request that starts the agent of *planned*."""
    body: dict[str, object] = {"name": planned.name, "agent": planned.agent, "owner": planned.owner}
    optional = {"labels": planned.labels, "env": planned.env, "description": planned.description}
    return msgspec.json.encode(body | {key: value for key, value in optional.items() if value})


def _oversize(planned: Plan, document: Document) -> list[Diagnostic]:
    """Return a problem if the start request would be larger than a Worker reads."""
    size = len(start_body(planned))
    if size <= MAX_START_BYTES:
        return []
    largest = max(("labels", "env", "description"), key=lambda field: len(msgspec.json.encode(getattr(planned, field))))
    message = f"makes the start request {size} bytes long; a Worker reads at most {MAX_START_BYTES}"
    return [document.locate(Diagnostic(Code.LIMIT, message, (largest,), "shorten it"))]


class _Checks:
    """Derives the values of a plan and checks each on its own, so that every problem is reported at once."""

    def __init__(self, document: Document, settings: Settings) -> None:
        self._document = document
        self._settings = settings
        self.notes: list[Diagnostic] = []
        fields: dict[str, Any] = {}
        self.problems: list[Diagnostic] = []
        if isinstance(document.value, dict):
            fields = document.value
            self.problems += map(document.locate, rules.broken(fields))
        self.session = self._session(fields)
        self.owner = self._owner(fields)
        self.base = self._base(fields)
        self.abort = self._abort(fields)
        self.abort_is_default = routes.aborts_all(self.base, self.abort)
        self.problems += check_token_destination(self.base, settings)

    def plan(self, spec: SpawnSpec) -> Plan:
        env = spec.env or {}
        shared = {key: value for key, value in env.items() if key.startswith(rules.SHARED_ENV_PREFIX)}
        if len(shared) < len(env):
            left = first_few([key for key in env if key not in shared])
            message = f"only {rules.SHARED_ENV_PREFIX}* is sent to the Worker, not {left}"
            self.notes.append(self._document.locate(Diagnostic(Code.NOT_SENT, message, ("env",))))
        return Plan(
            version=version_of(self._document.value),
            name=spec.name,
            agent=spec.agent,
            session=self.session,
            owner=self.owner,
            base=self.base,
            bus=subjects.bus(self.owner, self.session),
            abort=self.abort,
            abort_is_default=self.abort_is_default,
            description=spec.description or "",
            labels=spec.labels or {},
            env=shared,
        )

    def _session(self, fields: dict[str, Any]) -> str:
        session = rules.text(fields, "session")
        if session:
            self._try(("session",), lambda: subjects.check_spec_token(session))
        return session or rules.text(fields, "name")

    def _owner(self, fields: dict[str, Any]) -> str:
        owner = self._settings.owner or rules.text(fields, "owner")
        if owner and not self._settings.owner:
            self._try(("owner",), lambda: subjects.check_spec_token(owner))
        return owner or DEFAULT_OWNER

    def _base(self, fields: dict[str, Any]) -> str:
        if self._settings.url:
            return self._settings.url
        script = rules.text(fields, EXECUTOR, "script")
        path: Path = (EXECUTOR, "script")
        if urls.is_url(script.strip()):
            return self._try(path, lambda: urls.base_url(script)) or urls.LOCAL_BASE
        if script:
            self._try(path, lambda: urls.check_script_path(script))
            message = f"is a path, so the Worker is expected at {urls.LOCAL_BASE}, where wrangler dev listens"
            hint = "set CF_WORKER_URL to use another"
            self.notes.append(self._document.locate(Diagnostic(Code.LOCAL, message, path, hint)))
        return urls.LOCAL_BASE

    def _names_abort(self, fields: dict[str, Any]) -> bool:
        block = fields.get(EXECUTOR)
        return isinstance(block, dict) and isinstance(block.get("abort_endpoint"), str)

    def _abort(self, fields: dict[str, Any]) -> str:
        if not self._names_abort(fields):
            return routes.abort_all(self.base)
        endpoint = rules.text(fields, EXECUTOR, "abort_endpoint")
        if not endpoint:
            return ""
        path: Path = (EXECUTOR, "abort_endpoint")
        return self._try(path, lambda: urls.abort_url(self.base, endpoint, self.session)) or ""

    def _try(self, path: Path, derive: Callable[[], str | None]) -> str | None:
        try:
            return derive()
        except InvalidValue as invalid:
            self.problems.append(self._document.locate(Diagnostic(Code.VALUE, invalid.message, path, invalid.hint)))
            return None
