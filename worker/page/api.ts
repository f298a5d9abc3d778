import type { AgentList } from "../src/listing.ts";
import type { Agent, Totals } from "./agents.ts";

const LIST_TIMEOUT_MS = 15_000;
/** Longer than the Worker itself waits for a bus that does not answer. */
const STOP_TIMEOUT_MS = 60_000;

/** The filters that the Worker applies, except for empty ones. */
export interface Query {
  readonly owner: string;
  readonly state: string;
}

/** The agents of a query, as far as they were fetched. */
export interface Listing {
  readonly agents: readonly Agent[];
  readonly totals: Totals;
  /** How many pages they came in. */
  readonly pages: number;
  /** Whether there are further pages. */
  readonly hasMore: boolean;
}

/** The Worker gave no usable answer; the message says why. */
export class Failure extends Error {}

/** The Worker wants a token, or another one. */
export class Refusal extends Failure {}

/** The agents of a query, up to so many pages of them. Throws `Failure`, or the reason of `signal`. */
export async function list(
  token: string,
  query: Query,
  limit: number,
  signal: AbortSignal,
): Promise<Listing> {
  const agents: Agent[] = [];
  let cursor = "";
  for (let pages = 1; ; pages += 1) {
    const parameters = Object.entries({ ...query, cursor }).filter(([, value]) => value !== "");
    const path = `agents?${new URLSearchParams(parameters)}`;
    const page = (await call("GET", path, token, LIST_TIMEOUT_MS, signal)) as AgentList;
    agents.push(...page.agents);
    cursor = page.cursor ?? "";
    if (cursor === "" || pages >= limit)
      return { agents, totals: page.totals, pages, hasMore: cursor !== "" };
  }
}

/** Stops the agent of a session; false if it was not running. Throws `Failure`. */
export async function stop(token: string, session: string): Promise<boolean> {
  const path = `control/abort/${encodeURIComponent(session)}`;
  const { stopped } = (await call("POST", path, token, STOP_TIMEOUT_MS)) as { stopped: readonly string[] };
  return stopped.length > 0;
}

async function call(
  method: string,
  path: string,
  token: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(path, {
    method,
    headers: { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    // A login page in front of the Worker would otherwise be asked, with the token.
    redirect: "error",
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  }).catch(() => {
    signal?.throwIfAborted();
    throw new Failure("the Worker did not answer");
  });
  const body: { error?: string; message?: string } | undefined = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body;
  if (body?.error === undefined || body.message === undefined) {
    throw new Failure(`something in front of the Worker answered with status ${response.status}`);
  }
  const isRefused = response.status === 401 || (response.status === 403 && token !== "");
  throw new (isRefused ? Refusal : Failure)(body.message);
}
