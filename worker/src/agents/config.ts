import { limit } from "../limits.ts";
import type { AgentContext } from "./agent.ts";

/** What the start of a session may choose. Keys and addresses belong to the deployment alone. */
type Choice = "OPEN_AGENT_PROVIDER" | "OPEN_AGENT_MODEL_ID";

/** The session's setting, or else the Worker's var. An empty one counts as unset. */
export function choiceOf(name: Choice, { env, settings }: AgentContext): string | undefined {
  return settings[name]?.trim() || env[name]?.trim() || undefined;
}

/** The limits of one turn. */
export interface TurnLimits {
  /** Calls of the model. */
  readonly steps: number;
  /** Seconds; 0 for no limit. */
  readonly turnS: number;
  /** Earlier messages. */
  readonly history: number;
}

/** Throws WorkerError `internal` if a var is not a number. */
export function limitsOf({ env }: AgentContext): TurnLimits {
  return {
    // With 0 no call would ever be the last one.
    steps: Math.max(1, limit(env, "AGENT_STEP_LIMIT")),
    turnS: limit(env, "AGENT_TURN_LIMIT_S"),
    history: limit(env, "AGENT_HISTORY_LIMIT"),
  };
}
