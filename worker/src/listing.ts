import { badRequest } from "./errors.ts";
import { tokenProblem } from "./subjects.ts";
import { type Numbers, numbersOf, type Tally, timeOf } from "./tally.ts";
import { base64url, fromBase64url } from "./text.ts";

/** How many agents one page of the list has. */
const PAGE = 100;

/** How long a stopped agent is remembered and listed, in milliseconds. */
export const STOPPED_MS = 24 * 60 * 60 * 1000;

export const STATES = ["starting", "ready", "busy", "stopped"] as const;
export type State = (typeof STATES)[number];

/** An agent as it is listed. */
export interface AgentRow {
  readonly session: string;
  readonly owner: string;
  readonly agent: string;
  readonly state: State;
  readonly tally: Tally;
  /** Why it stopped, or why it is not on the bus. */
  readonly cause?: string;
  /** When it stopped, in milliseconds since 1970. */
  readonly stoppedAt?: number;
}

/** A place in the list: after the agent of this session that was started at this time. */
interface Position {
  readonly startedAt: number;
  readonly session: string;
}

export interface AgentQuery {
  readonly owner?: string;
  readonly state?: State;
  readonly after?: Position;
}

/** An agent in the answer of `GET /agents`. */
interface ListedAgent extends Numbers {
  readonly session: string;
  readonly owner: string;
  readonly agent: string;
  readonly state: State;
  readonly cause?: string;
  readonly stopped_at?: string;
}

/** The sums over all agents that a query finds. */
interface Totals {
  readonly agents: number;
  /** Agents that are not stopped. */
  readonly running: number;
  readonly answered: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** The answer of `GET /agents`. */
export interface AgentList {
  readonly agents: readonly ListedAgent[];
  readonly totals: Totals;
  /** Where the next page begins; absent on the last one. */
  readonly cursor?: string;
}

/** The query of a request for the list. Throws WorkerError `bad_request`. */
export function queryOf(params: URLSearchParams): AgentQuery {
  const given = new Map<string, string>();
  for (const [name, value] of params) {
    if (!["owner", "state", "cursor"].includes(name))
      throw badRequest("the query has an unknown parameter; the parameters are owner, state and cursor");
    if (given.has(name)) throw badRequest(`the query has ${name} more than once`);
    given.set(name, value);
  }
  const owner = given.get("owner");
  const state = given.get("state");
  const cursor = given.get("cursor");
  return {
    ...(owner !== undefined && { owner: ownerOf(owner) }),
    ...(state !== undefined && { state: stateOf(state) }),
    ...(cursor !== undefined && { after: positionOf(cursor) }),
  };
}

/**
 * One page of the agents that a query finds, newest first. A cursor names the last agent of its page, so that agents that
 * come and go between two pages move no other agent.
 */
export function listOf(rows: readonly AgentRow[], { owner, state, after }: AgentQuery): AgentList {
  const found = rows.filter(
    (row) => (owner === undefined || row.owner === owner) && (state === undefined || row.state === state),
  );
  const left = found.map((row) => ({
    row,
    position: { session: row.session, startedAt: row.tally.startedAt },
  }));
  const page = left
    .filter(({ position }) => after === undefined || order(after, position) < 0)
    .sort((a, b) => order(a.position, b.position));
  const last = page.length > PAGE ? page[PAGE - 1] : undefined;
  return {
    agents: page.slice(0, PAGE).map(({ row }) => listed(row)),
    totals: totalsOf(found),
    ...(last && { cursor: cursorOf(last.position) }),
  };
}

function listed({ session, owner, agent, state, tally, cause, stoppedAt }: AgentRow): ListedAgent {
  return {
    session,
    owner,
    agent,
    state,
    ...numbersOf(tally),
    ...(cause !== undefined && { cause }),
    ...(stoppedAt !== undefined && { stopped_at: timeOf(stoppedAt) }),
  };
}

function totalsOf(rows: readonly AgentRow[]): Totals {
  const sum = (of: (tally: Tally) => number) => rows.reduce((total, { tally }) => total + of(tally), 0);
  return {
    agents: rows.length,
    running: rows.filter(({ state }) => state !== "stopped").length,
    answered: sum(({ answered }) => answered),
    failed: sum(({ failed }) => failed),
    input_tokens: sum(({ inputTokens }) => inputTokens),
    output_tokens: sum(({ outputTokens }) => outputTokens),
  };
}

/** Newest first; agents that were started in the same millisecond by session. */
function order(a: Position, b: Position): number {
  if (a.startedAt !== b.startedAt) return b.startedAt - a.startedAt;
  if (a.session === b.session) return 0;
  return a.session < b.session ? -1 : 1;
}

function cursorOf({ startedAt, session }: Position): string {
  return base64url(new TextEncoder().encode(`${startedAt}.${session}`));
}

function positionOf(cursor: string): Position {
  const [, startedAt, session] = fromBase64url(cursor)?.match(/^(\d{1,15})\.(.+)$/) ?? [];
  if (startedAt !== undefined && session !== undefined && tokenProblem(session) === undefined)
    return { startedAt: Number(startedAt), session };
  throw badRequest("the cursor is not one that this Worker has given");
}

function ownerOf(text: string): string {
  const problem = tokenProblem(text);
  if (problem === undefined) return text;
  throw badRequest(`owner ${problem}`);
}

function stateOf(text: string): State {
  const state = STATES.find((known) => known === text);
  if (state !== undefined) return state;
  throw badRequest(`state is not one of ${STATES.join(", ")}`);
}
