import type { Presence } from "./bus/seat.ts";
import type { StopRecord, View } from "./calls.ts";
import type { AgentRow } from "./listing.ts";
import type { StoppedAgent, StoredAgent } from "./memory.ts";
import { AGENT } from "./subjects.ts";
import { newTally, type Tally, tallyOf } from "./tally.ts";

/**
 * An agent's metadata on the bus. Labels come first, so that they cannot override anything except `pane_id`: orch's bus
 * tools only see agents that have one. Its form differs from tmux's, so that it is not taken for a pane.
 */
export function presenceOf({ session, settings }: StoredAgent): Presence {
  const { owner, labels, agent: harness, description } = settings;
  const { pane_id: pane } = labels;
  return {
    identity: { owner, session },
    description,
    metadata: {
      ...labels,
      pane_id: pane || `cf:${owner}.${session}`,
      agent: AGENT,
      owner,
      session,
      protocol_version: "0.3",
      executor: "wasm",
      location: "edge",
      lifetime: "ephemeral",
      harness,
    },
  };
}

/** An agent that runs, as it is reported to the Registry. */
export function rowOf({ identity, metadata }: Presence, tally: Tally, state: AgentRow["state"]): AgentRow {
  const { harness = "" } = metadata;
  return { session: identity.session, owner: identity.owner, agent: harness, state, tally };
}

/** An agent that was stopped, as it is reported to the Registry. */
export function stoppedRowOf({ session, settings, cause, at, tally = newTally(at) }: StoppedAgent): AgentRow {
  const { owner, agent } = settings;
  return { session, owner, agent, state: "stopped", tally, cause, stoppedAt: at };
}

/** The same, from what its session reports; undefined if no agent was stopped in the session. */
export function lastRowOf(view: View | StopRecord | null): AgentRow | undefined {
  if (view === null || !("session" in view) || view.stopped_at === undefined) return undefined;
  const { session, owner, agent, cause = "" } = view;
  const at = Date.parse(view.stopped_at);
  const {
    started_at = view.stopped_at,
    answered = 0,
    failed = 0,
    input_tokens = 0,
    output_tokens = 0,
  } = view;
  const tally = tallyOf({ ...view, started_at, answered, failed, input_tokens, output_tokens });
  return { session, owner, agent, state: "stopped", tally, cause, stoppedAt: at };
}
