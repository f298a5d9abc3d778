import assert from "node:assert/strict";
import { test } from "node:test";
import { Wire } from "../../src/bus/wire.ts";
import { endOfTick } from "../../src/tick.ts";

/** The server's answer to an upgrade: a socket that keeps what is sent. */
class Socket extends EventTarget {
  readonly sent: string[] = [];
  readyState = WebSocket.OPEN;
  readonly bufferedAmount = 0;
  accept(): void {}
  close(): void {
    this.readyState = WebSocket.CLOSING;
  }
  send(bytes: Uint8Array): void {
    this.sent.push(new TextDecoder().decode(bytes));
  }
}

async function opened() {
  const { fetch } = globalThis;
  const socket = new Socket();
  globalThis.fetch = (async () => ({ webSocket: socket })) as unknown as typeof fetch;
  const wire = await Wire.open("ws://bus", new AbortController().signal).finally(() => {
    globalThis.fetch = fetch;
  });
  wire.start({ received: () => undefined, ended: () => undefined });
  return { wire, socket };
}

test("a closed wire sends what was written before, and keeps nothing of what is written after", async () => {
  const { wire, socket } = await opened();
  wire.write("last");
  wire.close();
  wire.write("late");
  await endOfTick();
  assert.deepEqual(socket.sent, ["last"]);
  assert.equal(wire.backlog, 0);
});
