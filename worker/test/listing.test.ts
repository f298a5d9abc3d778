import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fault, faultOf } from "../src/errors.ts";
import { type AgentQuery, type AgentRow, listOf, queryOf } from "../src/listing.ts";
import { newTally } from "../src/tally.ts";

function agent(session: string, startedAt: number, more: Partial<AgentRow> = {}): AgentRow {
  return { session, owner: "ann", agent: "echo", state: "ready", tally: newTally(startedAt), ...more };
}

function read(query: string): AgentQuery | Fault {
  try {
    return queryOf(new URLSearchParams(query));
  } catch (thrown) {
    return faultOf(thrown);
  }
}

/** The sessions of all pages; `between` may replace the agents after each page. */
function pages(rows: readonly AgentRow[], query: string, between = (now: readonly AgentRow[]) => now) {
  const found: string[][] = [];
  let [now, cursor]: [readonly AgentRow[], string | undefined] = [rows, ""];
  while (cursor !== undefined) {
    const asked = read([query, cursor && `cursor=${cursor}`].filter(Boolean).join("&"));
    assert.ok(!("code" in asked), JSON.stringify(asked));
    const page = listOf(now, asked);
    found.push(page.agents.map(({ session }) => session));
    now = between(now);
    cursor = page.cursor;
  }
  return found;
}

const MANY = Array.from({ length: 250 }, (_, n) => agent(`s${n}`, 1000 + n));

test("the newest come first, a hundred at a time", () => {
  const found = pages(MANY, "");
  assert.deepEqual(
    found.map((page) => page.length),
    [100, 100, 50],
  );
  assert.deepEqual(found.flat(), MANY.map(({ session }) => session).toReversed());
});

test("the last page has no cursor, even a full one", () => {
  assert.equal(pages(MANY.slice(0, 100), "").length, 1);
  assert.equal(pages([], "").length, 1);
});

test("agents that were started at once are neither lost nor doubled at the end of a page", () => {
  const rows = MANY.map((row) => ({ ...row, tally: newTally(7) }));
  assert.deepEqual(pages(rows, "").flat().toSorted(), MANY.map(({ session }) => session).toSorted());
});

test("agents that come and go move no other", () => {
  let age = 5000;
  const between = (now: readonly AgentRow[]) => [
    agent(`new-${age}`, age++),
    ...now.filter(({ session }) => !/[37]$/.test(session)),
  ];
  const found = pages(MANY, "", between).flat();
  const stayed = MANY.map(({ session }) => session).filter((session) => !/[37]$/.test(session));
  assert.deepEqual(
    found.filter((session) => stayed.includes(session)),
    stayed.toReversed(),
  );
});

test("a session may have any character in a cursor", () => {
  const rows = MANY.map((row) => ({ ...row, session: `ü/${row.session}+&=%` }));
  assert.equal(new Set(pages(rows, "").flat()).size, 250);
});

test("owner and state choose, and the totals are theirs", () => {
  const tally = { ...newTally(3), answered: 2, failed: 1, inputTokens: 10, outputTokens: 5 };
  const rows = [
    agent("a", 1, { tally }),
    agent("b", 2, { owner: "bob", tally }),
    agent("c", 4, { state: "stopped", tally, stoppedAt: 9, cause: "it was aborted" }),
  ];
  const { agents, totals } = listOf(rows, { owner: "ann" });
  assert.deepEqual(agents.map(({ session }) => session).toSorted(), ["a", "c"]);
  assert.deepEqual(totals, {
    agents: 2,
    running: 1,
    answered: 4,
    failed: 2,
    input_tokens: 20,
    output_tokens: 10,
  });
  assert.deepEqual(
    listOf(rows, { state: "ready" })
      .agents.map(({ session }) => session)
      .toSorted(),
    ["a", "b"],
  );
  assert.equal(listOf(rows, { owner: "ann", state: "busy" }).totals.agents, 0);
});

test("totals are those of all pages", () => {
  const first = listOf(MANY, {});
  assert.equal(first.totals.agents, 250);
  assert.deepEqual(listOf(MANY, read(`cursor=${first.cursor}`) as AgentQuery).totals, first.totals);
});

test("a query that could find nothing is refused", () => {
  const wrong = ["x=1", "owner=", "owner=a.b", "state=", "state=idle", "state=ready&state=busy"];
  const cursors = ["cursor=", "cursor=x", "cursor=MQ", `cursor=${btoa("1.a b")}`, `cursor=${btoa("x.a")}`];
  for (const query of [...wrong, "owner=a&owner=a", ...cursors, "cursor=%FF"]) {
    const fault = read(query);
    assert.ok("code" in fault && fault.code === "bad_request", query);
  }
});
