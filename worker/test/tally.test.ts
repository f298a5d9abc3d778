import assert from "node:assert/strict";
import { test } from "node:test";
import { latest, newTally, numbersOf, type Tally, tallyOf } from "../src/tally.ts";

const tally = (more: Partial<Tally>): Tally => ({ ...newTally(1000), ...more });

test("of several copies, the one that counted most is the latest", () => {
  const copies = [
    tally({ startedAt: 999, answered: 9 }),
    tally({}),
    tally({ activeAt: 2000 }),
    tally({ answered: 1 }),
    tally({ answered: 1, inputTokens: 7 }),
    tally({ startedAt: 1001 }),
  ];
  for (const [n, newer] of copies.entries()) {
    for (const older of copies.slice(0, n)) {
      assert.equal(latest(older, undefined, newer), newer);
      assert.equal(latest(newer, older), newer);
    }
  }
});

test("what a route has shown can be read again", () => {
  for (const shown of [
    tally({ failed: 2, outputTokens: 5 }),
    tally({ activeAt: 3000, lastPromptAt: 3000 }),
  ]) {
    assert.deepEqual(tallyOf(numbersOf(shown)), shown);
  }
});
