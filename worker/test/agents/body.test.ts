import assert from "node:assert/strict";
import { test } from "node:test";
import { firstBytes, watchedEvents } from "../../src/agents/body.ts";

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

/** The sizes that are reported for a body in these chunks. */
async function sizesOf(...chunks: string[]): Promise<number[]> {
  const sizes: number[] = [];
  const stream = new Blob(chunks).stream();
  const passed = watchedEvents(stream, (bytes) => sizes.push(bytes));
  assert.equal(await new Response(passed).text(), chunks.join(""));
  return sizes;
}

test("counts the event that is not complete yet", async () => {
  assert.deepEqual(await sizesOf("data: a\n\nda"), [2]);
  assert.deepEqual(await sizesOf("data: a\ndata: b\n"), [16]);
  assert.deepEqual(await sizesOf("data: a\r\n\r\n: b"), [3]);
  assert.deepEqual(await sizesOf("data: a\n\n"), [0]);
});

test("ends a body whose reader would have to keep too much", async () => {
  const passed = watchedEvents(body().stream, (bytes) => assert.ok(bytes < 5));
  await assert.rejects(new Response(passed).text(), /falsy/);
});
