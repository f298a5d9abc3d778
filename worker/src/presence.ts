import type { Presence } from "./bus/seat.ts";
import type { StoredAgent } from "./memory.ts";
import { AGENT } from "./subjects.ts";

/**
 * How an agent appears on the bus. Labels come first, so that they override nothing but `pane_id`: orch's bus tools see
 * only agents that have one, and find them by their session. It is not in tmux's form, so that no pane is taken for it.
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
