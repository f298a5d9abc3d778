import assert from "node:assert/strict";
import { test } from "node:test";
import { isReplySubject, signalFilter, subjectsOf, tokenProblem } from "../src/subjects.ts";

test("a token is printable, without separators, wildcards, white space and a leading $", () => {
  for (const token of ["a", "lead-engineer", "a$b", "ünï", "👋", "a/b", "100%"])
    assert.equal(tokenProblem(token), undefined);
  for (const text of [
    "",
    "a.b",
    "*",
    "a>",
    "$a",
    "a b",
    "a\u00a0b",
    "a\u2028b",
    "a\u200bb",
    "\u0000",
    "\ud800",
    "é".repeat(128),
  ]) {
    assert.equal(typeof tokenProblem(text), "string", JSON.stringify(text));
  }
});

test("an answer goes to a subject, not to a pattern or the server's own", () => {
  for (const subject of ["_INBOX.a.b", "a", "a.b-c"]) assert.ok(isReplySubject(subject), subject);
  for (const text of [
    "",
    "a.",
    ".a",
    "a..b",
    "a.*",
    "a.>",
    "a b",
    "$SYS.a",
    "a\tb",
    "a".repeat(1025),
    1,
    null,
    undefined,
  ]) {
    assert.ok(!isReplySubject(text), String(text));
  }
});

test("the handle's signal subject has a wildcard that NATS does not take; the agent listens on the one it does", () => {
  const identity = { owner: "ada", session: "a" };
  assert.equal(subjectsOf(identity).signal, "orch.signal.>.open-agent.ada.a");
  assert.equal(signalFilter(identity), "orch.signal.*.open-agent.ada.a");
});
