import type { Presence } from "./bus/link.ts";
import type { Stored } from "./memory.ts";
import { AGENT } from "./subjects.ts";

/** How a session shows itself on the bus. The spec's labels come first, so that they override nothing. */
export function presenceOf({ session, settings }: Stored): Presence {
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
