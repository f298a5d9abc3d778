"""The two messages of the wire contract, and the list of agents: the one place where their fields are declared.

`schemas/` is generated from these structs. The rules that a struct cannot express (a DNS label, exactly one executor
block) are in `exec_cf.rules`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Agent = Literal["claude-code", "codex", "pi", "gemini", "echo"]

EXECUTOR = "cf-worker"


class OutfitBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the agent wears: a bundle, or the explicit form."""

    bundle: (
        Annotated[str, Meta(description="Shorthand 'name/cut+accessory+accessory'. Excludes the other fields.")]
        | UnsetType
    ) = UNSET
    name: Annotated[str, Meta(description="Outfit name. Excludes bundle.")] | UnsetType = UNSET
    cut: Annotated[str, Meta(description="Outfit cut. Excludes bundle.")] | UnsetType = UNSET
    accessories: Annotated[list[str], Meta(description="Outfit accessories. Excludes bundle.")] | UnsetType = UNSET


class TmuxBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The block of the tmux executor, which this program validates but does not run."""

    headless: Annotated[bool, Meta(description="Detach instead of splitting the current pane.")] | UnsetType = UNSET
    verify: Annotated[bool, Meta(description="Wait for the agent's banner before reporting success.")] | UnsetType = (
        UNSET
    )
    layout: (
        Annotated[str, Meta(description="Layout preset: default, grid or full. Empty means that orch chooses.")]
        | UnsetType
    ) = UNSET
    position: Annotated[str, Meta(description="Where the pane opens: right, left, above or below.")] | UnsetType = UNSET
    role: (
        Annotated[str, Meta(description="Role of the pane: worker or observer. Empty means that orch detects it.")]
        | UnsetType
    ) = UNSET
    no_shim: Annotated[bool, Meta(description="Run without the agent shim beside it.")] | UnsetType = UNSET


class CFWorkerBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The block of this program's executor: which Worker to use, and how to stop the agent."""

    script: Annotated[
        str,
        Meta(description="The Worker's URL; or a path to its script, for wrangler dev on 127.0.0.1:8787."),
    ]
    wrangler_env: (
        Annotated[str, Meta(description="Wrangler environment. Empty means wrangler's default.")] | UnsetType
    ) = UNSET
    abort_endpoint: (
        Annotated[
            str,
            Meta(
                description="Where to POST to stop the agent: a URL, or a path below the base URL. Empty disables it."
            ),
        ]
        | UnsetType
    ) = UNSET


class CFDurableBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The block of the cf-durable-object executor, which this program validates but does not run."""

    do_namespace: str
    do_id: str


class SpawnSpec(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the dispatcher asks for."""

    spec_version: (
        Annotated[Literal["v1"], Meta(description="Version of the wire contract. Absent means v1.")] | UnsetType
    ) = UNSET
    name: str
    description: Annotated[str, Meta(description="Notes for people.")] | UnsetType = UNSET
    agent: Agent
    session: (
        Annotated[str, Meta(description="Session: the fifth token of the subjects. Defaults to the name.")] | UnsetType
    ) = UNSET
    cwd: Annotated[str, Meta(description="Working directory. Not used by a Worker.")] | UnsetType = UNSET
    owner: Annotated[str, Meta(description="Owner: the fourth token of the subjects.")] | UnsetType = UNSET
    labels: Annotated[dict[str, str], Meta(description="Metadata that the agent publishes on the bus.")] | UnsetType = (
        UNSET
    )
    outfit: Annotated[OutfitBlock, Meta(description="What the agent wears.")] | UnsetType = UNSET
    env: (
        Annotated[dict[str, str], Meta(description="Environment variables. Keys match [A-Z_][A-Z0-9_]*.")] | UnsetType
    ) = UNSET
    tmux: (
        Annotated[TmuxBlock, Meta(description="The tmux executor. Exactly one executor block is present.")] | UnsetType
    ) = UNSET
    cf_worker: (
        Annotated[
            CFWorkerBlock,
            Meta(description="The Cloudflare Worker executor. Exactly one executor block is present."),
        ]
        | UnsetType
    ) = field(name="cf-worker", default=UNSET)
    cf_durable_object: (
        Annotated[
            CFDurableBlock,
            Meta(description="The Durable Object executor. Exactly one executor block is present."),
        ]
        | UnsetType
    ) = field(name="cf-durable-object", default=UNSET)


class TmuxBlockV2(TmuxBlock, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The block of the tmux executor in v2, where a layout can be none."""

    layout: (
        Annotated[str, Meta(description="Layout preset: default, grid, full or none. Empty means that orch chooses.")]
        | UnsetType
    ) = UNSET


class CmuxBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The block of the cmux executor, which this program validates but does not run."""

    headless: Annotated[bool, Meta(description="Reserved: cmux has no headless session.")] | UnsetType = UNSET
    verify: Annotated[bool, Meta(description="Wait for the agent's banner before reporting success.")] | UnsetType = (
        UNSET
    )
    position: Annotated[str, Meta(description="Where the surface opens: right, left, above or below.")] | UnsetType = (
        UNSET
    )
    role: (
        Annotated[str, Meta(description="Role of the surface: worker or observer. Empty means that orch detects it.")]
        | UnsetType
    ) = UNSET
    no_shim: Annotated[bool, Meta(description="Run without the agent shim beside it.")] | UnsetType = UNSET


class ZmxBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The block of the zmx executor, which this program validates but does not run."""

    session_name: Annotated[str, Meta(description="Name of the zmx session. Empty means the name.")] | UnsetType = UNSET
    headless: Annotated[bool, Meta(description="Run detached, as zmx does anyway.")] | UnsetType = UNSET
    verify: Annotated[bool, Meta(description="Wait for the agent's banner before reporting success.")] | UnsetType = (
        UNSET
    )
    role: (
        Annotated[str, Meta(description="Role of the session: worker or observer. Empty means that orch detects it.")]
        | UnsetType
    ) = UNSET
    no_shim: Annotated[bool, Meta(description="Run without the agent shim beside it.")] | UnsetType = UNSET


class SpawnSpecV2(SpawnSpec, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the dispatcher asks for, in v2: v1 with two more executors."""

    spec_version: Annotated[Literal["v2"], Meta(description="Version of the contract.")] | UnsetType = UNSET  # type: ignore[assignment]  # the literal differs  # fmt: skip
    tmux: (
        Annotated[TmuxBlockV2, Meta(description="The tmux executor. Exactly one executor block is present.")]
        | UnsetType
    ) = UNSET
    cmux: (
        Annotated[CmuxBlock, Meta(description="The cmux executor. Exactly one executor block is present.")] | UnsetType
    ) = UNSET
    zmx: (
        Annotated[ZmxBlock, Meta(description="The zmx executor. Exactly one executor block is present.")] | UnsetType
    ) = UNSET


class BusBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The worker's NATS subjects."""

    prompt: Annotated[str, Meta(description="Where the worker reads prompts.")] | UnsetType = UNSET
    status: Annotated[str, Meta(description="Where the worker answers status requests.")] | UnsetType = UNSET
    hb: Annotated[str, Meta(description="Where the worker publishes heartbeats.")] | UnsetType = UNSET
    signal: Annotated[str, Meta(description="Where the worker reads control signals.")] | UnsetType = UNSET


class AbortBlock(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How to stop the worker."""

    kind: str
    target: str
    keys: (
        Annotated[str, Meta(description="Keystrokes for kind tmux-send-keys. Ignored for other kinds.")] | UnsetType
    ) = UNSET


class WorkerHandle(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the dispatcher gets: how to find the worker, talk to it and stop it."""

    spec_version: Annotated[Literal["v1"], Meta(description="Version of the wire contract. Absent means v1.")] = "v1"
    name: str
    agent: Agent
    session: Annotated[str, Meta(description="The session as resolved.")] | UnsetType = UNSET
    created_at: Annotated[datetime, Meta(tz=True)]
    executor: str
    pane_id: Annotated[str, Meta(description="Pane of a tmux worker.")] | UnsetType = UNSET
    id: (
        Annotated[str, Meta(description="The executor's id of the worker; here, the Worker's base URL.")] | UnsetType
    ) = UNSET
    bus: Annotated[BusBlock, Meta(description="The worker's subjects. Absent when it is not on a bus.")] | UnsetType = (
        UNSET
    )
    abort: (
        Annotated[AbortBlock, Meta(description="How to stop the worker. Absent when that is not possible.")] | UnsetType
    ) = UNSET
    log_file: Annotated[str, Meta(description="Log of the shim that started the worker.")] | UnsetType = UNSET
    pid: Annotated[int, Meta(description="Process id of the worker; 0 when unknown.")] | UnsetType = UNSET
    status: str
    message: (
        Annotated[str, Meta(description="Why status is failed, or what it is waiting for while pending.")] | UnsetType
    ) = UNSET


class WorkerHandleV2(WorkerHandle, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the dispatcher gets for a v2 spec."""

    spec_version: Annotated[Literal["v2"], Meta(description="Version of the contract.")] = "v2"  # type: ignore[assignment]  # the literal differs


_MAX_COUNT = 2**53 - 1
"""Largest whole number that JavaScript counts to."""

Count = Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
Moment = Annotated[datetime, Meta(tz=True)]


class ListedAgent(Struct, kw_only=True, frozen=True):
    """One agent of a Worker: running, or stopped within the last day. A later Worker may add fields."""

    session: Annotated[str, Meta(description="The session, which is unique within the Worker.")]
    owner: Annotated[str, Meta(description="Owner: the fourth token of the subjects.")]
    agent: Annotated[str, Meta(description="Harness, as in the spec.")]
    state: Annotated[str, Meta(description="State: starting, ready, busy or stopped.")]
    started_at: Annotated[Moment, Meta(description="When the agent was started.")]
    last_prompt_at: (
        Annotated[Moment, Meta(description="When the last prompt came. Absent before the first.")] | UnsetType
    ) = UNSET
    answered: Annotated[Count, Meta(description="Prompts that were answered without an error.")]
    failed: Annotated[Count, Meta(description="Prompts whose answer ended with an error.")]
    input_tokens: Annotated[Count, Meta(description="Tokens of the model's input, as the provider counts them.")]
    output_tokens: Annotated[Count, Meta(description="Tokens of the model's output, as the provider counts them.")]
    cause: (
        Annotated[str, Meta(description="Why the agent was stopped, or is not on the bus. Absent otherwise.")]
        | UnsetType
    ) = UNSET
    stopped_at: Annotated[Moment, Meta(description="When the agent was stopped. Absent while it runs.")] | UnsetType = (
        UNSET
    )


class ListTotals(Struct, kw_only=True, frozen=True):
    """The sums over all agents of a list."""

    agents: Annotated[Count, Meta(description="Agents in the list.")]
    running: Annotated[Count, Meta(description="Those that are not stopped.")]
    answered: Count
    failed: Count
    input_tokens: Count
    output_tokens: Count


class AgentList(Struct, kw_only=True, frozen=True):
    """The agents of a Worker, the newest first."""

    agents: list[ListedAgent]
    totals: ListTotals


Version = Literal["v1", "v2"]

SPECS: dict[Version, type[SpawnSpec]] = {"v1": SpawnSpec, "v2": SpawnSpecV2}
HANDLES: dict[Version, type[WorkerHandle]] = {"v1": WorkerHandle, "v2": WorkerHandleV2}
EXECUTOR_BLOCKS: dict[Version, tuple[str, ...]] = {
    "v1": ("tmux", "cf-worker", "cf-durable-object"),
    "v2": ("tmux", "cf-worker", "cf-durable-object", "cmux", "zmx"),
}
"""Exactly one of these blocks must be present."""


def version_of(value: Any) -> Version:
    """Return the version that a document's *value* names; v1 when it names none, or an unknown one."""
    return "v2" if isinstance(value, dict) and value.get("spec_version") == "v2" else "v1"
