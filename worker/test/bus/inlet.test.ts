import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { Connection } from "../../src/bus/connection.ts";
import { Inlet, type InletOptions } from "../../src/bus/inlet.ts";
import type { Incoming, SubscriptionOptions } from "../../src/bus/link.ts";

const MB = 1_000_000;
/** How much of a message arrives at once, in bytes. */
const PART = 4096;

let now = 0;

/** A subscription as the server sees it. */
interface Sending {
  readonly deliver: (message: Incoming) => void;
  readonly options: SubscriptionOptions;
  limit: number;
  sent: number;
}

/** A server, and the part of a connection that an inlet uses. */
class Server {
  up = true;
  confirmed = 0;
  subscribed = 0;
  #sending: Sending | undefined;
  /** What is on its way, in either direction. */
  readonly #messages: (() => void)[] = [];
  readonly #commands: (() => void)[] = [];
  readonly #pings: (() => void)[] = [];

  subscribe(_subject: string, deliver: (message: Incoming) => void, options: SubscriptionOptions) {
    const sending = { deliver, options, limit: options.limit ?? Number.POSITIVE_INFINITY, sent: 0 };
    this.#sending = sending;
    this.subscribed += 1;
    const end = () => {
      if (this.#sending === sending) this.#sending = undefined;
    };
    const limit = (messages: number) => {
      this.#commands.push(() => {
        sending.limit = messages;
        if (sending.sent >= messages) end();
      });
    };
    return { close: end, drain: end, limit };
  }

  async processed(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pings.push(resolve);
    await promise;
    return this.up;
  }

  async confirm(): Promise<void> {
    this.confirmed += 1;
  }

  get pings(): number {
    return this.#pings.length;
  }

  get isListenedTo(): boolean {
    return this.#sending !== undefined;
  }

  /** Publishes messages: those for which somebody listens are on their way. Returns their number. */
  publish(count: number, bytes = 0): number {
    let sent = 0;
    for (; sent < count && this.#sending; sent += 1) this.#publish(this.#sending, bytes);
    return sent;
  }

  #publish(sending: Sending, bytes: number): void {
    const { deliver, options } = sending;
    this.#messages.push(() => {
      if (bytes > PART) options.arriving?.(bytes);
      try {
        deliver({ subject: "a", reply: "", data: new Uint8Array(bytes) });
      } catch {
        // The link logs it.
      }
    });
    sending.sent += 1;
    if (sending.sent >= sending.limit) this.#sending = undefined;
  }

  /** Delivers what is on its way, to the inlet and then to the server. */
  arrive(): void {
    for (const deliver of this.#messages.splice(0)) deliver();
    for (const hear of this.#commands.splice(0)) hear();
  }

  /** Publishes messages one by one, each of which arrives before the next; returns how many arrived. */
  stretch(count: number, bytes = 0): number {
    let arrived = 0;
    for (; arrived < count && this.publish(1, bytes) > 0; arrived += 1) this.arrive();
    return arrived;
  }

  /** Publishes as fast as it can, as long as somebody listens; returns how many messages arrived. */
  flood(bytes = 0): number {
    let arrived = 0;
    for (; this.isListenedTo; this.arrive()) arrived += this.publish(100_000, bytes);
    return arrived;
  }

  /** Answers the pings so far. */
  async pong(): Promise<void> {
    this.arrive();
    for (const resolve of this.#pings.splice(0)) resolve();
    for (let step = 0; step < 5; step += 1) await Promise.resolve();
  }

  /** Lets everything arrive, and answers all pings. */
  async settle(): Promise<void> {
    this.arrive();
    while (this.pings > 0) await this.pong();
  }

  asConnection(): Connection {
    return this as unknown as Connection;
  }
}

function opened(options: Partial<InletOptions> = {}) {
  mock.timers.reset();
  // Later in each test than in the one before, as the isolate knows the time.
  now += 3_600_000;
  mock.timers.enable({ apis: ["setTimeout", "Date"], now });
  const server = new Server();
  const inlet = new Inlet("a", { deliver: () => undefined, ...options });
  inlet.open(server.asConnection());
  return { server, inlet };
}

test("the server ends a flood by itself, and the subscription is suspended", () => {
  const { server } = opened();
  const arrived = server.flood();
  assert.ok(arrived >= 400 && arrived <= 600, `${arrived} messages`);
  mock.timers.tick(999);
  assert.equal(server.isListenedTo, false);
  mock.timers.tick(1);
  assert.equal(server.isListenedTo, true);
});

test("while the server answers in between, nothing is too much", async () => {
  const { server } = opened();
  for (let stretch = 0; stretch < 20; stretch += 1) {
    assert.equal(server.publish(400), 400);
    await server.settle();
    assert.equal(server.publish(4, MB), 4);
    await server.settle();
    mock.timers.tick(200);
  }
  assert.equal(server.subscribed, 1);
});

test("a single message costs no ping", async () => {
  const { server } = opened();
  for (let number = 0; number < 50; number += 1) server.stretch(1, 1_000);
  assert.equal(server.pings, 0);
});

test("a server that ends it before it hears that it may send more is asked again", async () => {
  const { server } = opened();
  server.stretch(300);
  await server.pong();
  assert.equal(server.publish(1_000), 200);
  assert.equal(server.isListenedTo, false);
  await server.pong();
  assert.equal(server.isListenedTo, true);
});

test("large messages are few", () => {
  const { server } = opened();
  assert.equal(server.stretch(1_000, MB), 5);
  assert.equal(server.isListenedTo, false);
});

test("one message alone is never too large", async () => {
  const { server } = opened();
  for (let number = 0; number < 5; number += 1) {
    assert.equal(server.stretch(1, 8 * MB), 1);
    await server.settle();
  }
});

test("the server hears of it while the first large one arrives", () => {
  const { server } = opened();
  server.stretch(1, MB);
  assert.equal(server.publish(1_000, MB), 4);
});

test("after a flood of large messages, the server may send few from the beginning, for some time", async () => {
  const { server } = opened();
  server.flood(MB);
  for (const seconds of [1, 2, 4]) {
    mock.timers.tick(seconds * 1_000);
    assert.equal(server.flood(MB), 2);
  }
  mock.timers.tick(8_000);
  mock.timers.tick(9_000);
  server.stretch(1, MB);
  await server.settle();
  assert.equal(server.publish(400), 400);
});

test("after a flood of small messages, many at once are no flood", () => {
  const { server } = opened();
  server.flood();
  mock.timers.tick(1_000);
  assert.equal(server.publish(400), 400);
});

test("small messages after a large one are not taken for large ones", () => {
  const { server } = opened();
  server.stretch(1, MB);
  assert.equal(server.stretch(300), 300);
});

test("many flooded subscriptions are suspended earlier, and spare those that got little of it", () => {
  opened();
  const servers = Array.from({ length: 100 }, () => new Server());
  for (const server of servers) new Inlet("a", { deliver: () => undefined }).open(server.asConnection());
  const [calm, ...flooded] = servers;
  calm?.stretch(40);
  for (let number = 0; number < 60; number += 1) for (const server of flooded) server.stretch(1);
  assert.equal(calm?.isListenedTo, true);
  for (const server of flooded) assert.equal(server.isListenedTo, false);
});

test("a subscription can have a lower limit", () => {
  const { server } = opened({ maxMessages: 20 });
  assert.equal(server.publish(100), 20);
});

test("a message that fails to be handled counts too", () => {
  const deliver = () => {
    throw new Error("not handled");
  };
  const { server } = opened({ deliver });
  server.flood();
  mock.timers.tick(1_000);
  assert.equal(server.isListenedTo, true);
});

test("it is back after a pause, longer each time while the flood goes on, and proved", () => {
  const { server } = opened();
  for (const seconds of [1, 2, 4, 8, 8]) {
    server.stretch(10_000);
    mock.timers.tick(seconds * 1_000 - 1);
    assert.equal(server.isListenedTo, false);
    mock.timers.tick(1);
    assert.equal(server.isListenedTo, true);
  }
  assert.equal(server.confirmed, 5);
  mock.timers.tick(9_000);
  server.stretch(10_000);
  mock.timers.tick(1_000);
  assert.equal(server.isListenedTo, true);
});

test("a pause outlives a connection, and a closed inlet stays closed", () => {
  const { server, inlet } = opened();
  server.stretch(10_000);
  server.up = false;
  const next = new Server();
  inlet.open(next.asConnection());
  assert.equal(next.isListenedTo, false);
  mock.timers.tick(1_000);
  assert.equal(next.isListenedTo, true);
  next.stretch(10_000);
  inlet.close();
  mock.timers.tick(60_000);
  assert.equal(next.isListenedTo, false);
});
