import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerError } from "../src/errors.ts";
import { errorDetail } from "../src/log.ts";

test("of an unexpected error only the class is logged", () => {
  for (const thrown of [new TypeError("wss://user:hush@host"), "hush", { message: "hush" }]) {
    assert.doesNotMatch(JSON.stringify(errorDetail(thrown)), /hush/);
  }
  assert.deepEqual(errorDetail(new TypeError("hush")), { code: "internal", error: "TypeError" });
});

test("a full disk is named, without the rest of the error", () => {
  const detail = errorDetail(new Error("hush: database or disk is full: SQLITE_FULL"));
  assert.match(JSON.stringify(detail), /storage .* is full/);
  assert.doesNotMatch(JSON.stringify(detail), /hush/);
});

test("our own errors are logged with their message", () => {
  const thrown = new WorkerError({ code: "bus_unavailable", message: "the bus is away" });
  assert.deepEqual(errorDetail(thrown), { code: "bus_unavailable", message: "the bus is away" });
});
