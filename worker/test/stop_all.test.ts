import assert from "node:assert/strict";
import { test } from "node:test";
import { stopAll } from "../src/stop_all.ts";

test("one failure does not keep the others from being stopped, and is reported", async () => {
  const sessions = Array.from({ length: 420 }, (_, n) => `s${n}`);
  const outcome = await stopAll(sessions, async (session) => {
    if (session === "s3" || session === "s270") throw new Error("as it happens");
    return session !== "s5";
  });
  assert.deepEqual(outcome.failed, ["s3", "s270"]);
  assert.deepEqual(
    outcome.stopped,
    sessions.filter((session) => !["s3", "s5", "s270"].includes(session)),
  );
});
