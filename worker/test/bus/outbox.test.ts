import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SEAT_BYTES, Share } from "../../src/budget.ts";
import type { Connection } from "../../src/bus/connection.ts";
import { chunkFrame, type Frame } from "../../src/bus/frames.ts";
import { Outbox } from "../../src/bus/outbox.ts";
import { Reply } from "../../src/bus/reply.ts";

/** The part of a connection that an outbox uses. */
class Recorder {
  readonly sent: string[] = [];
  up = true;

  constructor(
    readonly maxPayload = 1024 * 1024,
    private readonly confirms = true,
  ) {}

  async processed(): Promise<boolean> {
    return this.confirms;
  }

  publish({ subject, text, headers, size }: Frame): boolean {
    if (size > this.maxPayload) return false;
    const what = headers ? "error" : text === "" ? "end" : (JSON.parse(text) as { data: string }).data;
    this.sent.push(`${subject} ${what.slice(0, 8)}`);
    return true;
  }

  asConnection(): Connection {
    return this as unknown as Connection;
  }
}

test("what is said without a connection goes out with the next one, in order", () => {
  const outbox = new Outbox(() => {});
  const reply = new Reply(outbox, "a", new Share());
  for (const text of ["one", "two"]) reply.response(text);
  reply.end();
  const connection = new Recorder();
  outbox.attach(connection.asConnection(), true);
  assert.deepEqual(connection.sent, ["a one", "a two", "a end"]);
});

test("a frame that cannot go ends its own stream, once, and no other", () => {
  const outbox = new Outbox(() => {});
  const [large, small] = [new Share(), new Share()].map((share, n) => new Reply(outbox, `${n}`, share));
  large?.response("before");
  large?.response("x".repeat(100_000));
  large?.response("after");
  large?.end();
  small?.response("short");
  small?.end();
  const connection = new Recorder(65536);
  outbox.attach(connection.asConnection(), true);
  assert.deepEqual(connection.sent, ["0 before", "0 error", "0 end", "1 short", "1 end"]);
});

test("what waits is bounded: beyond that its stream ends with an error", () => {
  const outbox = new Outbox(() => {});
  const share = new Share();
  const reply = new Reply(outbox, "a", share);
  for (let n = 0; n < 100; n += 1) reply.response("x".repeat(100_000));
  assert.ok(!reply.open);
  assert.ok(share.used <= MAX_SEAT_BYTES);
  const connection = new Recorder();
  outbox.attach(connection.asConnection(), true);
  assert.deepEqual(connection.sent.slice(-2), ["a error", "a end"]);
  assert.equal(share.used, 0);
});

test("after a loss, frames wait for callers, and the last limit of the bus is kept", () => {
  const outbox = new Outbox(() => {});
  const [mine, other] = [new Share(), new Share()];
  const connection = new Recorder(2048);
  outbox.attach(connection.asConnection(), true);
  outbox.detach();
  assert.equal(outbox.maxPayload, 2048);
  outbox.publish(chunkFrame("a", "response", "mine"), new Reply(outbox, "a", mine));
  outbox.publish(chunkFrame("b", "response", "other"), new Reply(outbox, "b", other));
  // The grace of a reconnect.
  outbox.attach(connection.asConnection(), false);
  assert.deepEqual(connection.sent, []);
  outbox.release();
  assert.deepEqual(connection.sent, ["a mine", "b other"]);
});

test("a large frame that the last connection may not have carried ends its stream if the next one does not", async () => {
  const lossAfter = async (confirms: boolean) => {
    const outbox = new Outbox(() => {});
    const share = new Share();
    const [large, small] = [new Reply(outbox, "large", share), new Reply(outbox, "small", share)];
    outbox.attach(new Recorder(1024 * 1024, confirms).asConnection(), true);
    large.response("x".repeat(100_000));
    small.response("short");
    await Promise.resolve();
    await Promise.resolve();
    outbox.detach();
    for (const reply of [large, small]) reply.end();
    const next = new Recorder(65536);
    outbox.attach(next.asConnection(), false);
    outbox.release();
    assert.equal(share.used, 0);
    return next.sent;
  };
  assert.deepEqual(await lossAfter(false), ["small end", "large error", "large end"]);
  assert.deepEqual(await lossAfter(true), ["large end", "small end"]);
});

test("held streams are known by their subjects, until their seat is told that they went out", () => {
  const released: Share[] = [];
  const outbox = new Outbox((share) => released.push(share));
  const [mine, other] = [new Share(), new Share()];
  for (const subject of ["a", "b"]) new Reply(outbox, subject, mine).end();
  assert.deepEqual([...outbox.heldSubjects(mine)], ["a", "b"]);
  assert.deepEqual([...outbox.heldSubjects(other)], []);
  outbox.release();
  assert.deepEqual(released, []);
  outbox.attach(new Recorder().asConnection(), true);
  assert.deepEqual([...outbox.heldSubjects(mine)], []);
  assert.deepEqual(released, [mine]);
});
