import assert from "node:assert/strict";
import { test } from "node:test";
import { endingOf } from "../../src/agents/endings.ts";

for (const [ending, words] of [
  ["stop", ["stop", "STOP", "stop_sequence", "end_turn", "eos", "COMPLETE"]],
  ["tool-calls", ["tool-calls", "tool_calls", "tool_use", "function_call"]],
  ["length", ["length", "MAX_TOKENS", "model_length", "model_context_window_exceeded"]],
  ["content-filter", ["content-filter", "content_filter", "SAFETY", "refusal", "guardrail_intervened"]],
  ["error", ["error", "interrupted", "other", "network_error", "insufficient_system_resource"]],
] as const) {
  test(`${words.join(", ")} mean ${ending}`, () => {
    for (const word of words) assert.equal(endingOf(word), ending);
  });
}

test("an unknown word, an empty one and none at all mean broken off", () => {
  for (const word of ["new_reason", "", " stop", "constructor", "__proto__", undefined]) {
    assert.equal(endingOf(word), "error");
  }
});
