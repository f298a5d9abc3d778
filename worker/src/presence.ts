import type { Presence } from "./bus/seat.ts";
import type { StoredAgent } from "./memory.ts";
import { AGENT } from "./subjects.ts";

/** How an agent appears on the bus. Labels come first, so that they override nothing. */
export function presenceOf({ session, settings }: StoredAgent): Presence {
  const { owner, labels, agent: harness, description } = settings;
  return {
    identity: { owner, session },
    description,
    metadata: {
      ...labels,
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
