import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../src/agents/agent.ts";
import { MAX_HISTORY_CHARS, newerHalf, recent } from "../../src/agents/history.ts";

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

test("a turn with a blank message is left out as a whole", () => {
  const blanks = [user("1"), assistant(" \n"), user("\u200b"), assistant("2"), user("3"), assistant("4")];
  assert.deepEqual(recent(blanks, 10), [user("3"), assistant("4")]);
  assert.deepEqual(recent([assistant(" "), user("3"), assistant("4")], 10), [user("3"), assistant("4")]);
  assert.deepEqual(recent([user(""), assistant("")], 10), []);
});

test("the newer half has at most half of the characters", () => {
  assert.deepEqual(newerHalf(talk), talk.slice(2));
  assert.deepEqual(newerHalf([user("old"), assistant("old"), user("a"), assistant("b")]), [
    user("a"),
    assistant("b"),
  ]);
  assert.deepEqual(newerHalf([user("old"), assistant("old"), user("long"), assistant("answer")]), []);
  assert.deepEqual(newerHalf([user("1"), assistant("2")]), []);
  assert.deepEqual(newerHalf([]), []);
});
