import assert from "node:assert/strict";
import { test } from "node:test";
import type { Part, Sink } from "../src/bus/turns.ts";
import { Cancellation } from "../src/cancellation.ts";
import { Pipe } from "../src/pipe.ts";
import type { Usage } from "../src/tally.ts";

// Of the Workers' scheduler, the part that is used.
Object.assign(globalThis, {
  scheduler: { wait: (ms: number) => new Promise<void>((resolve) => setTimeout(() => resolve(), ms)) },
});

class Recorder implements Sink {
  readonly calls: (readonly Part[])[] = [];
  readonly used: Usage[] = [];
  gate: Promise<void> = Promise.resolve();

  async parts(parts: readonly Part[], usage?: Usage): Promise<void> {
    this.calls.push(parts);
    if (usage) this.used.push(usage);
    await this.gate;
  }

  async ask() {
    return { ok: true, value: "yes" } as const;
  }
}

const never = new Cancellation();
const text = (data: string): Part => ["text", data];
const all = (parts: readonly (readonly Part[])[]) => parts.flat().map(([, data]) => data);

test("what is said in one go travels with the result", async () => {
  const sink = new Recorder();
  const pipe = new Pipe(sink, never, () => undefined);
  await pipe.write(text("a"));
  await pipe.write(text("b"));
  assert.deepEqual(await pipe.rest(), { rest: [text("a"), text("b")] });
  await scheduler.wait(5);
  assert.deepEqual(sink.calls, []);
});

test("one call is in flight at a time, and takes all that was said meanwhile, in order", async () => {
  const sink = new Recorder();
  const open = Promise.withResolvers<void>();
  sink.gate = open.promise;
  const pipe = new Pipe(sink, never, () => undefined);
  await pipe.write(text("a"));
  await scheduler.wait(5);
  for (const data of ["b", "c", "d"]) await pipe.write(text(data));
  assert.deepEqual(all(sink.calls), ["a"]);
  open.resolve();
  await scheduler.wait(5);
  assert.equal(sink.calls.length, 2);
  await pipe.write(text("e"));
  assert.deepEqual(all([...sink.calls, (await pipe.rest()).rest]), ["a", "b", "c", "d", "e"]);
});

test("a question comes after what was said before", async () => {
  const sink = new Recorder();
  const pipe = new Pipe(sink, never, () => undefined);
  await pipe.write(text("before"));
  await pipe.ask("well?");
  assert.deepEqual(all(sink.calls), ["before"]);
});

test("whoever writes much waits for the sink", async () => {
  const sink = new Recorder();
  const open = Promise.withResolvers<void>();
  sink.gate = open.promise;
  const pipe = new Pipe(sink, never, () => undefined);
  let written = false;
  const writing = pipe.write(text("x".repeat(300_000))).then(() => {
    written = true;
  });
  await scheduler.wait(5);
  assert.ok(!written);
  open.resolve();
  await writing;
});

test("a sink that is lost is replaced, and what was on its way is sent again", async () => {
  let lost = 0;
  const gone: Sink = {
    parts: () => Promise.reject(new Error("gone")),
    ask: () => Promise.reject(new Error("gone")),
  };
  const pipe = new Pipe(gone, never, () => {
    lost += 1;
  });
  await pipe.write(text("a"));
  await scheduler.wait(5);
  await pipe.write(text("b"));
  assert.equal(lost, 1);
  assert.ok(!pipe.hasListener);
  const sink = new Recorder();
  const answered = pipe.ask("well?");
  pipe.join(sink);
  assert.deepEqual(await answered, { ok: true, value: "yes" });
  assert.deepEqual(all(sink.calls), ["a", "b"]);
  assert.ok(pipe.hasListener);
});

test("without a sink, what was said travels with the result", async () => {
  const pipe = new Pipe(
    { parts: () => Promise.reject(new Error("gone")), ask: new Recorder().ask },
    never,
    () => undefined,
  );
  await pipe.write(text("a"));
  await scheduler.wait(5);
  await pipe.write(text("b"));
  assert.deepEqual(await pipe.rest(), { rest: [text("a"), text("b")] });
});

test("once the turn is interrupted, nothing is said", async () => {
  const cancellation = new Cancellation();
  const pipe = new Pipe(new Recorder(), cancellation, () => undefined);
  cancellation.cancel(new Error("interrupted"));
  await assert.rejects(pipe.write(text("a")), Error);
  await assert.rejects(pipe.ask("well?"), Error);
});

test("what a model used is known before the turn ends", async () => {
  const sink = new Recorder();
  const pipe = new Pipe(sink, never, () => undefined);
  pipe.count({ inputTokens: 7, outputTokens: 5 });
  await scheduler.wait(5);
  assert.deepEqual(sink.used, [{ inputTokens: 7, outputTokens: 5 }]);
  assert.deepEqual(await pipe.rest(), { rest: [] });
});

test("what a model used is counted once, though the sink was lost or the turn interrupted", async () => {
  const cancellation = new Cancellation();
  const gone: Sink = { parts: () => Promise.reject(new Error("gone")), ask: new Recorder().ask };
  const pipe = new Pipe(gone, cancellation, () => undefined);
  pipe.count({ inputTokens: 7, outputTokens: 5 });
  await scheduler.wait(5);
  pipe.count({ inputTokens: 1, outputTokens: 1 });
  const sink = new Recorder();
  pipe.join(sink);
  await scheduler.wait(5);
  cancellation.cancel(new Error("interrupted"));
  pipe.count({ inputTokens: 2, outputTokens: 0 });
  const { usage } = await pipe.rest();
  assert.deepEqual(
    [...sink.used, usage],
    [
      { inputTokens: 8, outputTokens: 6 },
      { inputTokens: 2, outputTokens: 0 },
    ],
  );
});
