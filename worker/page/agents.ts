import type { AgentList } from "../src/listing.ts";

export type Agent = AgentList["agents"][number];
export type Totals = AgentList["totals"];

const STARTED = { field: "started_at", title: "Started", kind: "time" } as const;

/** The columns of the table, in order. */
export const COLUMNS = [
  { field: "session", title: "Session", kind: "text" },
  { field: "owner", title: "Owner", kind: "text" },
  { field: "agent", title: "Harness", kind: "text" },
  { field: "state", title: "State", kind: "text" },
  STARTED,
  { field: "last_prompt_at", title: "Last prompt", kind: "time" },
  { field: "answered", title: "Answered", kind: "number" },
  { field: "failed", title: "Failed", kind: "number" },
  { field: "input_tokens", title: "Tokens in", kind: "number" },
  { field: "output_tokens", title: "Tokens out", kind: "number" },
] as const;

export type Column = (typeof COLUMNS)[number];

export interface Order {
  readonly column: Column;
  readonly isDescending: boolean;
}

/** The order in which the Worker lists agents. */
export const NEWEST_FIRST: Order = { column: STARTED, isDescending: true };

/** The order after a click on a column's heading: the reverse, or for another column text ascending and all else descending. */
export function orderAfterClick(column: Column, { column: current, isDescending }: Order): Order {
  return { column, isDescending: column === current ? !isDescending : column.kind !== "text" };
}

/** The agents in an order; equals stay as they are. */
export function sorted(agents: readonly Agent[], { column, isDescending }: Order): Agent[] {
  const sign = isDescending ? -1 : 1;
  return agents.toSorted((a, b) => sign * compare(a[column.field] ?? "", b[column.field] ?? ""));
}

/** Whether every word of a search is somewhere in what the table shows of an agent. */
export function matches({ session, owner, agent, state, cause = "" }: Agent, search: string): boolean {
  const text = [session, owner, agent, state, cause].join("\n").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** `echo-2` comes before `echo-10`; times compare as text. */
const collator = new Intl.Collator("en", { numeric: true });

function compare(a: string | number, b: string | number): number {
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}
