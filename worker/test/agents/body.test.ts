import assert from "node:assert/strict";
import { test } from "node:test";
import { firstBytes } from "../../src/agents/body.ts";

/** A body of three chunks, and whether its rest was left unread. */
function body() {
  const state = { cancelled: false };
  const chunks = ["abc", "def", "ghi"];
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(chunk));
    },
    cancel() {
      state.cancelled = true;
    },
  });
  return { state, stream };
}

test("returns a short body as a whole", async () => {
  const { state, stream } = body();
  assert.equal(new TextDecoder().decode(await firstBytes(stream, 100)), "abcdefghi");
  assert.ok(!state.cancelled);
  assert.equal((await firstBytes(null, 100)).length, 0);
});

test("leaves the rest of a long one unread", async () => {
  for (const limit of [1, 3, 4, 6]) {
    const { state, stream } = body();
    assert.equal(new TextDecoder().decode(await firstBytes(stream, limit)), "abcdefghi".slice(0, limit));
    assert.ok(state.cancelled);
  }
});
