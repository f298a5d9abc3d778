import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentContext } from "../../src/agents/agent.ts";
import { choiceOf, limitsOf } from "../../src/agents/config.ts";
import { LIMITS } from "../../src/limits.ts";

function context(env: AgentContext["env"], settings: AgentContext["settings"] = {}): AgentContext {
  return { env, settings, fetch };
}

test("the session's choice comes first, and an empty one is none", () => {
  const env = { OPEN_AGENT_MODEL_ID: "worker" };
  assert.equal(
    choiceOf("OPEN_AGENT_MODEL_ID", context(env, { OPEN_AGENT_MODEL_ID: " session " })),
    "session",
  );
  assert.equal(choiceOf("OPEN_AGENT_MODEL_ID", context(env, { OPEN_AGENT_MODEL_ID: " " })), "worker");
  assert.equal(choiceOf("OPEN_AGENT_MODEL_ID", context({ OPEN_AGENT_MODEL_ID: "" })), undefined);
});

test("limits have defaults, and a turn has at least one call", () => {
  assert.deepEqual(limitsOf(context({})), {
    steps: LIMITS.AGENT_STEP_LIMIT,
    turnS: LIMITS.AGENT_TURN_LIMIT_S,
    history: LIMITS.AGENT_HISTORY_LIMIT,
  });
  assert.equal(limitsOf(context({ AGENT_STEP_LIMIT: "0" })).steps, 1);
  assert.throws(() => limitsOf(context({ AGENT_STEP_LIMIT: "many" })), /AGENT_STEP_LIMIT/);
});
