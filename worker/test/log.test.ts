import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerError } from "../src/errors.ts";
import { errorDetail } from "../src/log.ts";

test("of an error that nobody expected only the class is told", () => {
  for (const thrown of [new TypeError("wss://user:hush@host"), "hush", { message: "hush" }]) {
    assert.doesNotMatch(JSON.stringify(errorDetail(thrown)), /hush/);
  }
  assert.deepEqual(errorDetail(new TypeError("hush")), { code: "internal", error: "TypeError" });
});

test("our own errors are told in our words", () => {
  const thrown = new WorkerError({ code: "bus_unavailable", message: "the bus is away" });
  assert.deepEqual(errorDetail(thrown), { code: "bus_unavailable", message: "the bus is away" });
});
