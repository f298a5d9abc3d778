import type { Agent, AgentContext } from "./agent.ts";
import { echo } from "./echo.ts";
import { modelAgent } from "./model.ts";

/** The agent behind a harness name of the spec. */
export function agentFor(harness: string, context: AgentContext): Agent {
  return harness === "echo" ? echo : modelAgent(harness, context);
}
