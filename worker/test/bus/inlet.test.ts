import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Connection } from "../../src/bus/connection.ts";
import { Inlet } from "../../src/bus/inlet.ts";
import type { Incoming } from "../../src/bus/link.ts";

/** The part of a connection that an inlet uses. */
class Server {
  up = true;
  confirmed = 0;
  /** What the inlet did, in order. */
  readonly did: string[] = [];
  #deliver: ((message: Incoming) => void) | undefined;

  subscribe(_subject: string, deliver: (message: Incoming) => void) {
    this.did.push("subscribe");
    this.#deliver = deliver;
    return {
      close: () => {
        this.did.push("close");
        this.#deliver = undefined;
      },
      drain: () => this.did.push("drain"),
    };
  }

  async confirm(): Promise<void> {
    this.confirmed += 1;
  }

  /** Delivers messages; returns how many were received. */
  send(count: number, bytes = 0): number {
    let received = 0;
    for (; received < count && this.#deliver; received += 1) {
      this.#deliver({ subject: "a", reply: "", data: new Uint8Array(bytes) });
    }
    return received;
  }

  asConnection(): Connection {
    return this as unknown as Connection;
  }
}

function opened(surplus: number) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const server = new Server();
  const inlet = new Inlet("a", { deliver: () => surplus });
  inlet.open(server.asConnection());
  // An idle moment after the test before.
  server.send(1);
  mock.timers.tick(1);
  return { server, inlet };
}

test("what is accepted is never too much", () => {
  const { server } = opened(0);
  server.send(10_000, 100_000);
  assert.deepEqual(server.did, ["subscribe"]);
});

test("surplus at a stretch suspends the subscription, with idle moments in between it does not", () => {
  const { server } = opened(1);
  for (let moment = 0; moment < 10; moment += 1) {
    server.send(400, 1000);
    mock.timers.tick(1);
  }
  assert.deepEqual(server.did, ["subscribe"]);
  server.send(600);
  assert.deepEqual(server.did, ["subscribe", "drain"]);
});

test("what floods many agents at once is counted together, and spares those who got little of it", () => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const servers = Array.from({ length: 100 }, () => new Server());
  for (const server of servers) new Inlet("a", { deliver: () => 1 }).open(server.asConnection());
  const [calm, ...flooded] = servers;
  calm?.send(9);
  for (let n = 0; n < 30; n += 1) for (const server of flooded) server.send(1);
  assert.deepEqual(calm?.did, ["subscribe"]);
  for (const server of flooded) assert.deepEqual(server.did, ["subscribe", "drain"]);
  mock.timers.tick(1);
});

test("bytes count too", () => {
  const { server } = opened(1);
  server.send(20, 1024 * 1024);
  assert.deepEqual(server.did, ["subscribe", "drain"]);
});

test("what is on its way is still refused, up to a limit", () => {
  const { server } = opened(1);
  const received = server.send(1_000_000);
  assert.ok(received > 1_000 && received < 2_000);
  assert.deepEqual(server.did, ["subscribe", "drain", "close"]);
});

test("it is back after a pause, longer each time while the flood goes on, and proved", () => {
  const { server } = opened(1);
  for (const seconds of [1, 2, 4, 8, 8]) {
    server.send(10_000);
    mock.timers.tick(seconds * 1_000 - 1);
    assert.equal(server.did.at(-1), "close");
    mock.timers.tick(1);
    assert.equal(server.did.at(-1), "subscribe");
  }
  assert.equal(server.confirmed, 5);
  mock.timers.tick(9_000);
  server.send(10_000);
  mock.timers.tick(1_000);
  assert.equal(server.did.at(-1), "subscribe");
});

test("a pause outlives a connection, and a closed inlet stays closed", () => {
  const { server, inlet } = opened(1);
  server.send(10_000);
  server.up = false;
  const next = new Server();
  inlet.open(next.asConnection());
  assert.deepEqual(next.did, []);
  mock.timers.tick(1_000);
  assert.deepEqual(next.did, ["subscribe"]);
  next.send(10_000);
  inlet.close();
  mock.timers.tick(60_000);
  assert.deepEqual(next.did, ["subscribe", "drain", "close"]);
});
