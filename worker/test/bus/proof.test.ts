import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "../../src/bus/connection.ts";
import type { Incoming } from "../../src/bus/link.ts";
import { Rival } from "../../src/bus/proof.ts";

/** A connection on which these messages arrive on the subject of heartbeats. */
function connectionWith(...messages: string[]): Connection {
  const connection = {
    subscribe(subject: string, deliver: (message: Incoming) => void) {
      const data = messages.map((text) => new TextEncoder().encode(text));
      connection.processed = async () => {
        for (const one of data) deliver({ subject, reply: "", data: one });
        return true;
      };
      return { close: () => undefined, drain: () => undefined };
    },
    processed: async () => true,
  };
  return connection as unknown as Connection;
}

test("another instance of the same name is a rival", async () => {
  const connection = connectionWith('{"instance_id":"me"}', '{"instance_id":"other"}');
  await assert.rejects(new Rival(connection, "agents.hb.a", "me").requireNone(), /already has this session/);
});

test("the agent itself is none, and neither is what is no heartbeat", async () => {
  for (const messages of [[], ['{"instance_id":"me"}'], ["", "null", "{}", "\\xff", "[]"]]) {
    await new Rival(connectionWith(...messages), "agents.hb.a", "me").requireNone();
  }
});
