import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerError } from "../src/errors.ts";
import { checkLimits, LIMITS, timerMs } from "../src/limits.ts";

test("a time limit of 0 means never, and none exceeds the longest timer", () => {
  assert.equal(timerMs(1), 1000);
  assert.equal(timerMs(0), 2 ** 31 - 1);
  assert.equal(timerMs(999_999_999), 2 ** 31 - 1);
});

test("a limit that is not a whole number is reported by name", () => {
  checkLimits({ AGENT_TURN_LIMIT_S: "", AGENT_IDLE_LIMIT_S: "0" });
  for (const name of Object.keys(LIMITS)) {
    const naming = (thrown: unknown) => thrown instanceof WorkerError && thrown.message.includes(name);
    assert.throws(() => checkLimits({ [name]: "8h" }), naming);
  }
});
