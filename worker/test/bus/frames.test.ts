import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkFrame, errorFrame, pieces } from "../../src/bus/frames.ts";

const TEXTS = [
  "",
  "plain",
  "\u0001".repeat(500),
  "é".repeat(500),
  "👋🏽".repeat(300),
  `a${"👋".repeat(301)}`,
  '"\\'.repeat(400),
];

test("pieces join to the text, fit into a message, and never cut a character", () => {
  for (const limit of [80, 100, 257, 1024]) {
    for (const text of TEXTS) {
      const cut = [...pieces(text, limit)];
      assert.equal(cut.join(""), text);
      for (const piece of cut) {
        assert.ok(piece.isWellFormed());
        assert.ok(chunkFrame("a", "response", piece).size <= limit);
      }
    }
  }
});

test("an error is one short line in the header, and whole in the body", () => {
  const message = `first line\r\nsecond ${"long ".repeat(100)}`;
  const { headers, text } = errorFrame("a", { code: "rate_limited", message, retryAfterS: 7 });
  const [version, code, line = "", ...rest] = headers.split("\r\n");
  assert.deepEqual([version, code, ...rest], ["NATS/1.0", "Nats-Service-Error-Code: 429", "", ""]);
  assert.match(line, /^Nats-Service-Error: first line second long/);
  assert.ok(line.length <= "Nats-Service-Error: ".length + 200);
  assert.deepEqual(JSON.parse(text), {
    error: "rate_limited",
    message,
    retry_after_s: 7,
  });
});
