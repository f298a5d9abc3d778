import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerError } from "../src/errors.ts";
import { checkLimits, LIMITS, timerMs } from "../src/limits.ts";

test("a time limit of 0 means never, and none is more than a timer holds", () => {
  assert.equal(timerMs(1), 1000);
  assert.equal(timerMs(0), 2 ** 31 - 1);
  assert.equal(timerMs(999_999_999), 2 ** 31 - 1);
});

test("each limit that is no whole number is named", () => {
  checkLimits({ AGENT_TURN_LIMIT_S: "", AGENT_IDLE_LIMIT_S: "0" });
  for (const name of Object.keys(LIMITS)) {
    const naming = (thrown: unknown) => thrown instanceof WorkerError && thrown.message.includes(name);
    assert.throws(() => checkLimits({ [name]: "8h" }), naming);
  }
});
