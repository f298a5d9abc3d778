import type { Presence } from "./bus/seat.ts";
import type { StoredAgent } from "./memory.ts";
import { AGENT } from "./subjects.ts";

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
