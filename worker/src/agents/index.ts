import type { Agent, AgentContext } from "./agent.ts";
import { echo } from "./echo.ts";

/** The agent behind a harness name of the spec. */
export function agentFor(_harness: string, _context: AgentContext): Agent {
  return echo;
}
