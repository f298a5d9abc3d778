"""The document that describes a deployment, and the one that is printed of it.

`schemas/` is generated from these structs. What a struct cannot say stands in `exec_cf.deploy.rules`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

_Text = Annotated[str, Meta(description="Text; a number is written in quotes.")]


class SecretSource(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where the value of a secret comes from: exactly one of the two."""

    env: Annotated[str, Meta(description="Name of the environment variable that holds the value.")] | UnsetType = UNSET
    file: (
        Annotated[
            str,
            Meta(description="File that holds the value; its path is relative to this document."),
        ]
        | UnsetType
    ) = UNSET


class TokenSource(SecretSource, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where the value of the control token comes from."""

    create: (
        Annotated[bool, Meta(description="Create the file with a random token if it does not exist.")] | UnsetType
    ) = UNSET


_Secret = (
    Annotated[SecretSource, Meta(description="Where the value comes from; null removes the secret.")] | UnsetType | None
)


class Secrets(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The Worker's secrets. One that is not named here keeps its value."""

    CONTROL_TOKEN: (
        Annotated[TokenSource, Meta(description="The bearer token of the Worker's routes; null removes it.")]
        | UnsetType
        | None
    ) = UNSET
    NATS_WS_URL: _Secret = UNSET
    NATS_CREDS: _Secret = UNSET
    NATS_NKEY_SEED: _Secret = UNSET
    NATS_TOKEN: _Secret = UNSET
    OPENROUTER_API_KEY: _Secret = UNSET
    AI_GATEWAY_API_KEY: _Secret = UNSET


class Vars(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The Worker's vars. One that is not named here is removed."""

    OPEN_AGENT_OWNER: _Text | UnsetType = UNSET
    OPEN_AGENT_PROVIDER: _Text | UnsetType = UNSET
    OPEN_AGENT_MODEL_ID: _Text | UnsetType = UNSET
    OPENROUTER_BASE_URL: _Text | UnsetType = UNSET
    AI_GATEWAY_BASE_URL: _Text | UnsetType = UNSET
    AGENT_IDLE_LIMIT_S: _Text | UnsetType = UNSET
    AGENT_TURN_LIMIT_S: _Text | UnsetType = UNSET
    AGENT_STEP_LIMIT: _Text | UnsetType = UNSET
    AGENT_HISTORY_LIMIT: _Text | UnsetType = UNSET
    AGENT_QUERY_LIMIT_S: _Text | UnsetType = UNSET


class WorkerDocument(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How the Worker is to be deployed. It names secrets and holds none."""

    worker: Annotated[str, Meta(description="Name of the Worker. Absent means orch-cf-agent.")] | UnsetType = UNSET
    env: (
        Annotated[str, Meta(description="Environment, as of wrangler: the Worker's name is then <worker>-<env>.")]
        | UnsetType
    ) = UNSET
    account: (
        Annotated[str, Meta(description="Account id. Absent means the only account that the token opens.")] | UnsetType
    ) = UNSET
    subdomain: (
        Annotated[str, Meta(description="The account's name on workers.dev, registered if it has none.")] | UnsetType
    ) = UNSET
    vars: Vars | UnsetType = UNSET
    secrets: Secrets | UnsetType = UNSET
    open: (
        Annotated[bool, Meta(description="The routes need no token: anybody may start and stop agents.")] | UnsetType
    ) = UNSET
    rotate: (
        Annotated[bool, Meta(description="The Worker's control token is to be replaced by another.")] | UnsetType
    ) = UNSET
    replace: (
        Annotated[bool, Meta(description="A Worker of that name that is somebody else's is to be replaced.")]
        | UnsetType
    ) = UNSET


class Options(Struct, kw_only=True, frozen=True):
    """How a document is carried out. *folder* is where it lies, empty for the current one."""

    folder: str = ""
    wait_s: float = 0.0
    """How long the Worker may take to answer."""
    dry_run: bool = False
    """Whether only to say what would be done."""


class Deployed(Struct, kw_only=True, frozen=True):
    """What `--deploy` prints."""

    worker: str
    account: str
    url: str
    version: str
    changed: list[str]
    """What was, or with `--dry-run` would be changed; empty when nothing was."""
    status: Literal["ready", "pending", "planned"]
