import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Agent,
  COLUMNS,
  type Column,
  matches,
  NEWEST_FIRST,
  orderAfterClick,
  sorted,
} from "../../page/agents.ts";

function agent(session: string, fields: Partial<Agent> = {}): Agent {
  const numbers = { answered: 0, failed: 0, input_tokens: 0, output_tokens: 0 };
  const started_at = "2026-11-26T12:00:00.000Z";
  return { session, owner: "ann", agent: "echo", state: "ready", started_at, ...numbers, ...fields };
}

function column(field: keyof Agent): Column {
  const found = COLUMNS.find((each) => each.field === field);
  assert.ok(found);
  return found;
}

function sessions(agents: readonly Agent[]): string[] {
  return agents.map(({ session }) => session);
}

test("texts are sorted as people count", () => {
  const agents = [agent("a10"), agent("B1"), agent("a9")];
  const order = { column: column("session"), isDescending: false };
  assert.deepEqual(sessions(sorted(agents, order)), ["a9", "a10", "B1"]);
  assert.deepEqual(sessions(sorted(agents, { ...order, isDescending: true })), ["B1", "a10", "a9"]);
});

test("numbers are sorted by size", () => {
  const agents = [agent("a", { answered: 9 }), agent("b", { answered: 10 }), agent("c", { answered: 1 })];
  assert.deepEqual(sessions(sorted(agents, { column: column("answered"), isDescending: true })), [
    "b",
    "a",
    "c",
  ]);
});

test("equals stay in the Worker's order, in both directions", () => {
  const agents = [agent("c"), agent("a"), agent("b")];
  for (const isDescending of [true, false]) {
    assert.deepEqual(sessions(sorted(agents, { column: column("failed"), isDescending })), ["c", "a", "b"]);
  }
});

test("what was never prompted counts as the oldest", () => {
  const agents = [agent("never"), agent("once", { last_prompt_at: "2026-11-26T12:00:00.000Z" })];
  assert.deepEqual(sessions(sorted(agents, { column: column("last_prompt_at"), isDescending: true })), [
    "once",
    "never",
  ]);
});

test("a click sorts by a column, and another one the other way round", () => {
  const first = orderAfterClick(column("answered"), NEWEST_FIRST);
  assert.deepEqual(first, { column: column("answered"), isDescending: true });
  assert.deepEqual(orderAfterClick(column("answered"), first), {
    column: column("answered"),
    isDescending: false,
  });
  assert.equal(orderAfterClick(column("owner"), first).isDescending, false);
  assert.equal(orderAfterClick(column("started_at"), NEWEST_FIRST).isDescending, false);
});

test("a search wants every word, anywhere, in any case", () => {
  const stopped = agent("Web-1", { state: "stopped", cause: "it was aborted" });
  for (const search of ["", "  ", "web", "ann ABORTED", "stop echo"])
    assert.ok(matches(stopped, search), search);
  for (const search of ["web-2", "web bob", "annecho"]) assert.ok(!matches(stopped, search), search);
});
