import type { Agent, AgentContext } from "./agent.ts";
import { echo } from "./echo.ts";
import { modelAgent } from "./model.ts";

/** The agent for a harness, the `agent` of a spec. */
export function agentFor(harness: string, context: AgentContext): Agent {
  return harness === "echo" ? echo : modelAgent(harness, context);
}
