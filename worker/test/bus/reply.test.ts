import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Share } from "../../src/budget.ts";
import type { Frame } from "../../src/bus/frames.ts";
import { Keepalives } from "../../src/bus/keepalives.ts";
import type { Outbox } from "../../src/bus/outbox.ts";
import { Reply, type StreamEnd, type StreamEvents } from "../../src/bus/reply.ts";

/** A stream on a clock of its own, and the seconds at which it sent each frame. */
function stream(subject = "_INBOX.a", events?: StreamEvents) {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const sentAt: number[] = [];
  const outbox = {
    maxPayload: 1024,
    keepalives: new Keepalives(),
    publish: (_: Frame) => sentAt.push(Date.now() / 1000),
    publishLast: (_: Frame) => sentAt.push(Date.now() / 1000),
  } as Partial<Outbox> as Outbox;
  const share = { take: () => true, give: () => undefined } as Partial<Share> as Share;
  const reply = new Reply(outbox, subject, share, events);
  const wait = (seconds: number) => {
    for (let i = 0; i < seconds; i += 1) mock.timers.tick(1000);
  };
  return { reply, sentAt, wait };
}

test("a sign of life comes at most 20 seconds after the last frame, whatever came before", () => {
  for (const pauses of [[0], [5], [17, 1], [19, 3, 25], [1, 1, 1, 40]]) {
    const { reply, sentAt, wait } = stream();
    reply.ack();
    for (const pause of pauses) {
      wait(pause);
      reply.response("text");
    }
    wait(60);
    reply.end();
    const gaps = sentAt.slice(1).map((at, index) => at - (sentAt[index] ?? 0));
    assert.ok(Math.max(...gaps) <= 20, `${pauses}: ${gaps}`);
    const count = sentAt.length;
    wait(60);
    assert.equal(sentAt.length, count, "nothing after the end");
    mock.timers.reset();
  }
});

test("a stream that speaks needs no sign of life", () => {
  const { reply, sentAt, wait } = stream();
  reply.ack();
  for (let i = 0; i < 10; i += 1) {
    wait(8);
    reply.response("text");
  }
  assert.equal(sentAt.length, 11);
  reply.end();
  mock.timers.reset();
});

test("what goes to nobody is not sent, however it ends", () => {
  const endings: ((reply: Reply) => void)[] = [
    (reply) => reply.end(),
    (reply) => reply.abort(),
    (reply) => reply.fail({ code: "internal", message: "m" }),
    (reply) => reply.breakOff({ code: "internal", message: "m" }),
  ];
  for (const end of endings) {
    const { reply, sentAt, wait } = stream("");
    reply.ack();
    reply.response("text");
    wait(60);
    end(reply);
    assert.deepEqual(sentAt, []);
    mock.timers.reset();
  }
});

test("a stream tells once how it ended, and whether its prompt was accepted", () => {
  const fault = { code: "internal", message: "broken" } as const;
  const other = { code: "conflict", message: "later" } as const;
  const cases: [(reply: Reply) => void, StreamEnd, boolean][] = [
    [(reply) => [reply.ack(), reply.end()], "answered", true],
    [(reply) => [reply.ack(), reply.abort(), reply.end()], "aborted", true],
    [(reply) => [reply.ack(), reply.fail(fault), reply.fail(other), reply.end()], fault, true],
    [(reply) => [reply.ack(), reply.breakOff(fault), reply.end()], fault, true],
    [(reply) => [reply.resume(), reply.end()], "answered", true],
    [(reply) => reply.fail(fault), fault, false],
  ];
  for (const subject of ["_INBOX.a", ""]) {
    for (const [run, end, wasAccepted] of cases) {
      const ended: [StreamEnd, boolean][] = [];
      const events = {
        accepted: () => undefined,
        ended: (...all: [StreamEnd, boolean]) => void ended.push(all),
      };
      run(stream(subject, events).reply);
      assert.deepEqual(ended, [[end, wasAccepted]]);
      mock.timers.reset();
    }
  }
});
