import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../src/agents/agent.ts";
import { MAX_HISTORY_CHARS, recent } from "../../src/agents/history.ts";

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const talk = [user("1"), assistant("2"), user("3"), assistant("4")];

test("keeps what fits", () => {
  assert.deepEqual(recent(talk, 10), talk);
  assert.deepEqual(recent(talk, 2), talk.slice(2));
});

test("begins with a prompt", () => {
  assert.deepEqual(recent(talk, 3), talk.slice(2));
  assert.deepEqual(recent(talk, 1), []);
});

test("0 keeps nothing", () => {
  assert.deepEqual(recent(talk, 0), []);
});

test("leaves out what is too long for a model, oldest first", () => {
  const long = "x".repeat(MAX_HISTORY_CHARS - 1);
  assert.deepEqual(recent([user("old"), assistant("old"), user("a"), assistant(long)], 10), [
    user("a"),
    assistant(long),
  ]);
  assert.deepEqual(recent([user("a"), assistant(`${long}xx`)], 10), []);
});
