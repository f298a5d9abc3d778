import { limit } from "../limits.ts";
import type { AgentContext } from "./agent.ts";

/** What a session's start may choose. Never a key and never an address: those belong to the deployment alone. */
export type Choice = "OPEN_AGENT_PROVIDER" | "OPEN_AGENT_MODEL_ID";

/** The session's setting, else the Worker's var; an empty one counts as unset. */
export function choiceOf(name: Choice, { env, settings }: AgentContext): string | undefined {
  return settings[name]?.trim() || env[name]?.trim() || undefined;
}

export interface Limits {
  /** Model calls. */
  readonly steps: number;
  readonly turnS: number;
  /** Earlier messages. */
  readonly history: number;
}

/** The limits of one turn. Throws WorkerError on a var that is no number. */
export function limitsOf({ env }: AgentContext): Limits {
  return {
    // A turn without a single call would never end, for no call is ever its last.
    steps: Math.max(1, limit(env, "AGENT_STEP_LIMIT")),
    turnS: limit(env, "AGENT_TURN_LIMIT_S"),
    history: limit(env, "AGENT_HISTORY_LIMIT"),
  };
}
