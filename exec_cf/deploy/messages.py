"""The document that describes a deployment, and the document that `--deploy` prints.

`schemas/` is generated from these structs. The rules that a struct cannot express are in `exec_cf.deploy.rules`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

CONTROL_TOKEN = "CONTROL_TOKEN"  # noqa: S105  the name of the secret

_Text = Annotated[str, Meta(description="Text; a number is written in quotes.")]


class SecretSource(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where the value of a secret comes from: exactly one of the two fields."""

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
    """The Worker's secrets. A secret that is not named keeps its value."""

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
    """The Worker's vars. A var that is not named is removed."""

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
    AGENTS_PER_HUB: _Text | UnsetType = UNSET


class WorkerDocument(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How to deploy the Worker. The document names secrets but does not contain them."""

    worker: Annotated[str, Meta(description="Name of the Worker. Absent means orch-cf-agent.")] | UnsetType = UNSET
    env: (
        Annotated[str, Meta(description="Environment, as in wrangler: the Worker's name becomes <worker>-<env>.")]
        | UnsetType
    ) = UNSET
    account: (
        Annotated[str, Meta(description="Account id. Absent means the only account that the token gives access to.")]
        | UnsetType
    ) = UNSET
    subdomain: (
        Annotated[str, Meta(description="The account's subdomain of workers.dev, registered if it has none.")]
        | UnsetType
    ) = UNSET
    vars: Vars | UnsetType = UNSET
    secrets: Secrets | UnsetType = UNSET
    open: (
        Annotated[bool, Meta(description="The routes need no token: anyone may start and stop agents.")] | UnsetType
    ) = UNSET
    rotate: Annotated[bool, Meta(description="Replace the Worker's control token.")] | UnsetType = UNSET
    replace: (
        Annotated[bool, Meta(description="Replace a Worker of that name even if it belongs to someone else.")]
        | UnsetType
    ) = UNSET


class Options(Struct, kw_only=True, frozen=True):
    """The options of a deployment. *folder* is that of the document, empty for the current one."""

    folder: str = ""
    wait_s: float = 0.0
    """How many seconds to wait for the Worker to be up."""
    dry_run: bool = False
    """Whether to only report what would be done."""


class Deployed(Struct, kw_only=True, frozen=True):
    """What `--deploy` prints."""

    worker: str
    account: str
    url: str
    version: str
    changed: list[str]
    """What was changed, or with `--dry-run` would be; empty if nothing."""
    status: Literal["ready", "pending", "planned"]
