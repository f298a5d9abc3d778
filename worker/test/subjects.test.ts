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

test("an answer goes to a subject, not to a pattern, and not to one of the server, of agents or of signals", () => {
  for (const subject of ["_INBOX.a.b", "a", "a.b-c", "agentsx.a", "orchestra", "a.agents.b", "a.$b"]) {
    assert.ok(isReplySubject(subject), subject);
  }
  for (const text of [
    "",
    "a.",
    ".a",
    "a..b",
    "a.*",
    "a.>",
    "a b",
    "$SYS.a",
    "$JS.API.STREAM.PURGE.a",
    "$",
    "agents",
    "agents.prompt.open-agent.worker.b",
    "orch",
    "orch.signal.interrupt.open-agent.worker.b",
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
