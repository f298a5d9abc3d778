import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { WorkerError } from "../src/errors.ts";
import { agentsPerHub, checkLimits, LIMITS, timerMs } from "../src/limits.ts";

test("a time limit of 0 means never, and none exceeds the longest timer", () => {
  assert.equal(timerMs(1), 1000);
  assert.equal(timerMs(0), 2 ** 31 - 1);
  assert.equal(timerMs(999_999_999), 2 ** 31 - 1);
});

/** The executor's tests read it too: one rule on both sides. */
const EXAMPLES = JSON.parse(
  readFileSync(new URL("../../tests/shared_rules.json", import.meta.url), "utf8"),
) as Record<"limits" | "no limits" | "agents per hub" | "no agents per hub", readonly string[]>;

test("the vars that the executor deploys are accepted, and those that it refuses are not", () => {
  for (const name of Object.keys(LIMITS)) {
    for (const text of EXAMPLES.limits) checkLimits({ [name]: text });
    for (const text of EXAMPLES["no limits"]) {
      assert.throws(() => checkLimits({ [name]: text }), WorkerError);
    }
  }
  for (const text of EXAMPLES["agents per hub"]) checkLimits({ AGENTS_PER_HUB: text });
  for (const text of EXAMPLES["no agents per hub"]) {
    assert.throws(() => checkLimits({ AGENTS_PER_HUB: text }), WorkerError);
  }
});

test("a limit that is not a whole number is reported by name", () => {
  checkLimits({ AGENT_TURN_LIMIT_S: "", AGENT_IDLE_LIMIT_S: "0" });
  for (const name of Object.keys(LIMITS)) {
    const naming = (thrown: unknown) => thrown instanceof WorkerError && thrown.message.includes(name);
    for (const text of ["8h", "-1", "1.5", "1234567890"]) {
      assert.throws(() => checkLimits({ [name]: text }), naming);
    }
  }
});

test("a hub has room for 2 to 500 agents, and 1 means no hub", () => {
  for (const [text, number] of [
    [undefined, 1],
    ["", 1],
    ["1", 1],
    ["2", 2],
    ["500", 500],
  ] as const) {
    assert.equal(agentsPerHub(text === undefined ? {} : { AGENTS_PER_HUB: text }), number);
  }
  for (const text of ["0", "501", "-1", "many", "2.5", "1234567890"]) {
    assert.throws(() => agentsPerHub({ AGENTS_PER_HUB: text }), WorkerError);
    assert.throws(() => checkLimits({ AGENTS_PER_HUB: text }), WorkerError);
  }
});
