"""The rules of a worker document that its types cannot express, applied to its plain value as in `exec_cf.rules`."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from exec_cf.deploy.messages import CONTROL_TOKEN
from exec_cf.display import quoted
from exec_cf.errors import Code, Diagnostic, InvalidValue, Path
from exec_cf.rules import BLANKS, DNS_LABEL, DNS_LABEL_HINT, DNS_LABEL_LENGTH, ENV_KEY, check_provider, text
from exec_cf.subjects import check_spec_token

MAX_VALUE_BYTES = 5120
"""Bytes of a var or secret (https://developers.cloudflare.com/workers/platform/limits/)."""

ACCOUNT_ID = re.compile("[0-9a-f]{32}")


def broken(fields: Mapping[str, Any], default_name: str) -> Iterator[Diagnostic]:
    """Yield a diagnostic for every rule that *fields*, the document's value, breaks."""
    yield from _names(fields, default_name)
    account = text(fields, "account")
    if account and not ACCOUNT_ID.fullmatch(account):
        yield Diagnostic(
            Code.VALUE,
            f"{quoted(account)} is not an account id",
            ("account",),
            "write its 32 hexadecimal digits, as the dashboard's address shows them",
        )
    yield from _vars(fields.get("vars"))
    for name, source in _mapping(fields.get("secrets")).items():
        yield from broken_source(source, ("secrets", name))
    yield from _token(fields)


def worker_name(fields: Mapping[str, Any], default_name: str) -> str:
    """Return the Worker's name according to *fields*."""
    name, env = text(fields, "worker") or default_name, text(fields, "env")
    return f"{name}-{env}" if env else name


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return *value* if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def _names(fields: Mapping[str, Any], default_name: str) -> Iterator[Diagnostic]:
    for field in ("worker", "env", "subdomain"):
        value = fields.get(field)
        if isinstance(value, str) and not DNS_LABEL.fullmatch(value):
            yield Diagnostic(Code.VALUE, f"{quoted(value)} is not a DNS label", (field,), DNS_LABEL_HINT)
    length = len(worker_name(fields, default_name))
    if length > DNS_LABEL_LENGTH:
        path = ("env",) if text(fields, "env") else ("worker",)
        message = f"the Worker's name is {length} characters long, at most {DNS_LABEL_LENGTH} are allowed"
        yield Diagnostic(Code.VALUE, message, path, "shorten it")


def _vars(values: Any) -> Iterator[Diagnostic]:
    for name, value in _mapping(values).items():
        if not isinstance(value, str):
            continue
        if not value:
            yield Diagnostic(Code.VALUE, "is empty", ("vars", name), "give it a value, or remove it")
        elif len(value.encode()) > MAX_VALUE_BYTES:
            yield Diagnostic(Code.VALUE, f"is longer than {MAX_VALUE_BYTES} bytes", ("vars", name), "shorten it")
        elif name in _CHECKS:
            try:
                _CHECKS[name](value)
            except InvalidValue as invalid:
                yield Diagnostic(Code.VALUE, invalid.message, ("vars", name), invalid.hint)


def check_bus_url(value: str) -> None:
    """Raise `InvalidValue` unless a Worker accepts *value*, which is not shown, as the URL of its bus."""
    if not _BUS_URL.match(value):
        raise InvalidValue("is not a ws:// or wss:// URL", "write it like wss://user:password@nats.example.org")


def _check_limit(value: str) -> None:
    if not _LIMIT.fullmatch(value):
        raise InvalidValue(f"{quoted(value)} is not a whole number of at most nine digits", "write one, or remove it")


def _check_agents_per_hub(value: str) -> None:
    if not _LIMIT.fullmatch(value) or not 1 <= int(value) <= MAX_AGENTS_PER_HUB:
        hint = f"write a number from 1 to {MAX_AGENTS_PER_HUB}"
        raise InvalidValue(f"{quoted(value)} is out of range", hint)


def _check_base_url(value: str) -> None:
    if not _BASE_URL.match(value.strip(BLANKS)):
        raise InvalidValue("is not an http(s) URL", "write it like https://gateway.example.org/v1")


MAX_AGENTS_PER_HUB = 500

_LIMIT = re.compile("[0-9]{1,9}")
_BASE_URL = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_BUS_URL = re.compile(r"[\0-\x20]*wss?://[^/?#\s]", re.IGNORECASE)
_LIMITS = ("AGENT_IDLE_LIMIT_S", "AGENT_TURN_LIMIT_S", "AGENT_STEP_LIMIT", "AGENT_HISTORY_LIMIT", "AGENT_QUERY_LIMIT_S")

_CHECKS: Mapping[str, Callable[[str], None]] = {
    "OPEN_AGENT_OWNER": check_spec_token,
    "OPEN_AGENT_PROVIDER": check_provider,
    "OPENROUTER_BASE_URL": _check_base_url,
    "AI_GATEWAY_BASE_URL": _check_base_url,
    "AGENTS_PER_HUB": _check_agents_per_hub,
    **dict.fromkeys(_LIMITS, _check_limit),
}
"""The rules of the Worker for its vars: with one that breaks them, it starts no agent."""


def broken_source(source: Any, path: Path) -> Iterator[Diagnostic]:
    """Yield a diagnostic for every problem with the source of a secret."""
    if not isinstance(source, dict):
        return
    named = [key for key in ("env", "file") if source.get(key) is not None]
    if len(named) != 1:
        what = "names no source" if not named else "names two sources"
        yield Diagnostic(Code.VALUE, what, path, "write {env: NAME} or {file: PATH}")
    variable = source.get("env")
    if isinstance(variable, str) and not ENV_KEY.fullmatch(variable):
        # The value may be the secret itself, so it is not shown.
        hint = "write a name of A-Z, 0-9 and _, and put the secret in that variable"
        yield Diagnostic(Code.VALUE, "is not the name of a variable", (*path, "env"), hint)
    file = source.get("file")
    if isinstance(file, str) and (not file or "\0" in file):
        yield Diagnostic(Code.VALUE, "is not a path", (*path, "file"), "write the path of a file")
    if source.get("create") is True and file is None:
        yield Diagnostic(Code.VALUE, "needs a file to create", (*path, "create"), "add file: PATH")


def _token(fields: Mapping[str, Any]) -> Iterator[Diagnostic]:
    secrets = _mapping(fields.get("secrets"))
    source = secrets.get(CONTROL_TOKEN)
    is_open = fields.get("open") is True
    if CONTROL_TOKEN in secrets and source is None and not is_open:
        hint = "name another token, or write open: true"
        message = "without it, anyone may start and stop agents"
        yield Diagnostic(Code.VALUE, message, ("secrets", CONTROL_TOKEN), hint)
    if source is not None and is_open:
        yield Diagnostic(Code.VALUE, "the document names a CONTROL_TOKEN", ("open",), "remove one of the two")
    if fields.get("rotate") is True and source is None:
        yield Diagnostic(Code.VALUE, "the document names no CONTROL_TOKEN", ("rotate",), "add it below secrets")
