import assert from "node:assert/strict";
import { test } from "node:test";
import { redirectOf } from "../../src/bus/redirect.ts";

const decode = (text: string) => redirectOf(new TextEncoder().encode(text));

test("the answer goes where the redirect says, or to nobody", () => {
  const envelope = { prompt: "new" };
  assert.deepEqual(decode('{"prompt": "new", "reply": "_INBOX.a"}'), { envelope, reply: "_INBOX.a" });
  assert.deepEqual(decode('{"prompt": "new"}'), { envelope, reply: "" });
  assert.deepEqual(decode('{"prompt": "new", "reply": null, "x": 1}'), { envelope, reply: "" });
  assert.deepEqual(decode('{"prompt": "new", "reply": ""}'), { envelope, reply: "" });
});

test("what is wrong is said without a word of the content", () => {
  for (const [text, words] of [
    ["", "JSON"],
    ["secret", "JSON"],
    ['["secret"]', "JSON"],
    ['{"reply": "_INBOX.a"}', "prompt"],
    ['{"prompt": ""}', "prompt"],
    ['{"prompt": "secret", "reply": 7}', "reply"],
    ['{"prompt": "secret", "reply": "agents.prompt.open-agent.a.b"}', "reply"],
  ] as const) {
    const problem = decode(text);
    assert.ok(typeof problem === "string" && problem.includes(words), text);
    assert.doesNotMatch(problem, /secret/);
  }
});
