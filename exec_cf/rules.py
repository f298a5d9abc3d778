"""The rules of a SpawnSpec that its types cannot express.

They read the document's plain value rather than the struct, so that a wrong type in one field does not hide a broken
rule in another. Values of the wrong type are skipped here: decoding reports them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from exec_cf.display import listed, quoted
from exec_cf.errors import Code, Diagnostic, InvalidValue
from exec_cf.messages import EXECUTOR, EXECUTOR_BLOCKS, Version, version_of

Fields = Mapping[str, Any]

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
DNS_LABEL_LENGTH = 63
DNS_LABEL_HINT = "use a-z, 0-9 and -, beginning and ending with a letter or digit"
ENV_KEY = re.compile(r"[A-Z_][A-Z0-9_]*")

SHARED_ENV_PREFIX = "OPEN_AGENT_"
"""Only variables with this prefix leave the machine; the rest of a spec's `env` is for local backends."""

AGENT_VARIABLES = ("OPEN_AGENT_PROVIDER", "OPEN_AGENT_MODEL_ID", "OPEN_AGENT_OWNER")
"""The variables that a Worker accepts; it refuses a start with any other."""

PROVIDERS = ("openrouter", "gateway")
"""The providers of models that a Worker knows; it refuses to start an agent with any other."""

BLANKS = " \t\r\n"
"""White space that both Python and JavaScript trim; each of them also trims other characters."""

_NEEDS_NO_PROVIDER = "echo"

_POSITIONS = ("right", "left", "above", "below")
_ROLES = ("worker", "observer")
_LAYOUTS = ("default", "grid", "full")

CHOICES: dict[Version, dict[tuple[str, ...], tuple[str, ...]]] = {
    "v1": {("tmux", "layout"): _LAYOUTS, ("tmux", "position"): _POSITIONS, ("tmux", "role"): _ROLES},
    "v2": {
        ("tmux", "layout"): (*_LAYOUTS, "none"),
        ("tmux", "position"): _POSITIONS,
        ("tmux", "role"): _ROLES,
        ("cmux", "position"): _POSITIONS,
        ("cmux", "role"): _ROLES,
        ("zmx", "role"): _ROLES,
    },
}
"""Allowed values that the contract requires but the schema does not. An empty value leaves it to the dispatcher."""


def broken(spec: Fields) -> Iterator[Diagnostic]:
    """Yield a diagnostic for every rule of the contract that *spec*, the document's value, breaks."""
    yield from broken_name(spec)
    yield from _env(spec)
    yield from _outfit(spec)
    yield from _choices(spec)
    yield from _blocks(spec)
    yield from _required_text(spec)


def text(fields: Any, *path: str) -> str:
    """Return the text at *path*, or an empty text if there is none."""
    for step in path:
        fields = fields.get(step) if isinstance(fields, dict) else None
    return fields if isinstance(fields, str) else ""


def broken_name(spec: Fields) -> Iterator[Diagnostic]:
    """Yield a diagnostic if the name is not a DNS label."""
    name = spec.get("name")
    if not isinstance(name, str):
        return
    if len(name) > DNS_LABEL_LENGTH:
        hint = f"shorten it to {DNS_LABEL_LENGTH}"
        yield Diagnostic(
            Code.VALUE,
            f"is {len(name)} characters long; a DNS label has at most {DNS_LABEL_LENGTH}",
            ("name",),
            hint,
        )
    elif not DNS_LABEL.fullmatch(name):
        yield Diagnostic(Code.VALUE, f"{quoted(name)} is not a DNS label", ("name",), DNS_LABEL_HINT)


def _env(spec: Fields) -> Iterator[Diagnostic]:
    env = spec.get("env")
    for key in env if isinstance(env, dict) else ():
        if not ENV_KEY.fullmatch(key):
            hint = "use A-Z, 0-9 and _, not beginning with a digit"
            yield Diagnostic(Code.KEY, "is not a valid variable name", ("env", key), hint)
        elif key.startswith(SHARED_ENV_PREFIX) and key not in AGENT_VARIABLES:
            hint = f"write {listed(AGENT_VARIABLES, 'or')}"
            yield Diagnostic(Code.KEY, "is not a variable that an agent reads", ("env", key), hint)
    try:
        check_provider(text(spec, "env", "OPEN_AGENT_PROVIDER") if spec.get("agent") != _NEEDS_NO_PROVIDER else "")
    except InvalidValue as invalid:
        yield Diagnostic(Code.VALUE, invalid.message, ("env", "OPEN_AGENT_PROVIDER"), invalid.hint)


def check_provider(name: str) -> None:
    """Raise `InvalidValue` unless a Worker accepts *name* as its provider of models; an empty one is the default."""
    if name.strip(BLANKS) not in {"", *PROVIDERS}:
        raise InvalidValue("is not a provider of models", f"write {listed(PROVIDERS, 'or')}")


def _outfit(spec: Fields) -> Iterator[Diagnostic]:
    outfit = spec.get("outfit")
    if not isinstance(outfit, dict):
        return
    present = {key for key, value in outfit.items() if value is not None and value not in ("", [])}
    explicit = present & {"name", "cut", "accessories"}
    if "bundle" in present and explicit:
        hint = f"remove bundle, or {listed(sorted(explicit))}"
        yield Diagnostic(Code.VALUE, "has both the bundle and the explicit form", ("outfit",), hint)
    elif not present:
        yield Diagnostic(Code.VALUE, "is empty", ("outfit",), "set bundle or name, or remove the block")


def _choices(spec: Fields) -> Iterator[Diagnostic]:
    for path, allowed in CHOICES[version_of(spec)].items():
        value = text(spec, *path)
        if value and value not in allowed:
            hint = f"write {listed(allowed, 'or')}"
            yield Diagnostic(Code.VALUE, f"{quoted(value)} is not one of the allowed values", path, hint)


def _blocks(spec: Fields) -> Iterator[Diagnostic]:
    present = [block for block in EXECUTOR_BLOCKS[version_of(spec)] if spec.get(block) is not None]
    if len(present) > 1:
        hint = f"keep only {EXECUTOR}" if EXECUTOR in present else "keep only one"
        yield Diagnostic(Code.BLOCKS, f"exactly one executor block is allowed, found {listed(present)}", hint=hint)
    elif present and present != [EXECUTOR]:
        hint = f"send it to the {present[0]} backend, or use a {EXECUTOR} block"
        yield Diagnostic(Code.BLOCKS, f"this program only handles {EXECUTOR}", (present[0],), hint)
    elif not present and EXECUTOR in spec:
        yield Diagnostic(Code.BLOCKS, "is empty", (EXECUTOR,), "add script, the Worker's URL")
    elif not present:
        hint = f"add {EXECUTOR} with its script, the Worker's URL"
        yield Diagnostic(Code.BLOCKS, "there is no executor block", hint=hint)


def _required_text(spec: Fields) -> Iterator[Diagnostic]:
    block = spec.get(EXECUTOR)
    if isinstance(block, dict) and block.get("script") == "":
        yield Diagnostic(
            Code.VALUE, "is empty", (EXECUTOR, "script"), "write the Worker's URL, or a path to its script"
        )
    durable = spec.get("cf-durable-object")
    for key in ("do_namespace", "do_id"):
        if isinstance(durable, dict) and durable.get(key) == "":
            yield Diagnostic(Code.VALUE, "is empty", ("cf-durable-object", key), "write a name")
