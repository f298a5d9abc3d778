import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isReplySubject, newTokenProblem, signalFilter, subjectsOf, tokenProblem } from "../src/subjects.ts";

type Example = string | readonly [text: string, times: number];

/** The executor's tests read it too: one rule on both sides. */
const EXAMPLES = JSON.parse(
  readFileSync(new URL("../../tests/shared_rules.json", import.meta.url), "utf8"),
) as Record<"valid" | "invalid" | "invisible" | "long", readonly Example[]>;

function examples(kind: keyof typeof EXAMPLES): string[] {
  return EXAMPLES[kind].map((entry) => (typeof entry === "string" ? entry : entry[0].repeat(entry[1])));
}

test("a token is printable, without separators, wildcards, white space and a leading $", () => {
  for (const token of examples("valid")) {
    assert.equal(tokenProblem(token), undefined, token);
    assert.equal(newTokenProblem(token), undefined, token);
  }
  for (const text of [...examples("invalid"), ...examples("long")]) {
    assert.equal(typeof tokenProblem(text), "string", JSON.stringify(text));
    assert.equal(typeof newTokenProblem(text), "string", JSON.stringify(text));
  }
});

test("a new token shows every character; one of a running session may hide some", () => {
  for (const text of examples("invisible")) {
    assert.equal(newTokenProblem(text), "contains an invisible character", JSON.stringify(text));
    assert.equal(tokenProblem(text), undefined, JSON.stringify(text));
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
    "a.\ufffd",
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
