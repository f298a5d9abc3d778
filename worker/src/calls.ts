import type { Presence } from "./bus/seat.ts";
import type { OpenStream, Sink, TurnEnd, TurnRequest } from "./bus/turns.ts";
import type { AgentList, AgentQuery, AgentRow, State } from "./listing.ts";
import type { Outcome } from "./outcome.ts";
import type { Settings } from "./settings.ts";
import type { Subjects } from "./subjects.ts";
import type { Numbers, Tally } from "./tally.ts";

/*
 * The remote calls between the Worker and its Durable Objects. During a deployment, versions are mixed for minutes, so
 * methods keep their names and meaning, and fields are only added.
 */

/** How often an object reports to the Registry without a change, in milliseconds: silent for a minute, it is woken. */
export const SIGN_MS = 35_000;

/** The calls of a session: the Durable Object of one agent. */
export interface SessionCalls extends Rpc.DurableObjectBranded {
  /** Starts the agent, or returns the running one if its settings are the same. */
  start(session: string, settings: Settings): Promise<Outcome<Started>>;
  /** The state of the session; null if it is unknown. */
  look(): Promise<View | StopRecord | null>;
  /** Ends all streams, leaves the bus and forgets the conversation; false if no agent was running. */
  stop(session: string, cause: string): Promise<Outcome<boolean>>;
  /** Answers a prompt that the agent's hub received. */
  turn(request: TurnRequest, sink: Sink): Promise<TurnEnd>;
  /** Reattaches to a running turn after the hub was restarted; null if the turn is unknown. */
  rejoin(id: string, sink: Sink): Promise<TurnEnd | null>;
  cancel(id: string): Promise<void>;
  /** The agent has lost the seat of this generation; with a cause it stays out of hubs for a while. */
  unseat(generation: number, cause?: string, tally?: Tally): Promise<void>;
  /** The agent in the seat of this generation has reached its idle limit, and must stop. */
  expire(generation: number, cause: string, tally?: Tally): Promise<void>;
}

/** The calls of a hub, which shares one connection to the bus among many agents. */
export interface HubCalls extends Rpc.DurableObjectBranded {
  /** Puts an agent on the bus, and ends its streams that were left open elsewhere. Idempotent. */
  join(hub: string, presence: Presence, newcomer: Newcomer): Promise<Outcome<SeatView>>;
  /** Takes an agent off the bus, unless its seat has a later generation. Returns what it has done. */
  leave(session: string, generation: number): Promise<Outcome<Tally | undefined>>;
  /** The seat of an agent; null if it has none. */
  view(session: string): Promise<SeatView | null>;
  /** Makes sure that the hub is alive. Its name lets a hub that has lost all of its agents find them again. */
  wake(hub?: string): Promise<void>;
}

/** What a hub must know about an agent that joins it. */
export interface Newcomer {
  readonly generation: number;
  /** Whether the agent was never on the bus before. */
  readonly isNew: boolean;
  readonly orphans: readonly OpenStream[];
  /** What it has done so far. */
  readonly tally?: Tally;
}

/** What a hub knows about an agent. */
export interface SeatView {
  readonly instanceId: string;
  readonly isPresent: boolean;
  readonly isBusy: boolean;
  /** Why the agent is not on the bus. */
  readonly cause?: string;
  readonly tally?: Tally;
}

/** What is known about an agent that is not on the bus. */
export const NO_SEAT: SeatView = { instanceId: "", isPresent: false, isBusy: false };

/** The calls of the one object that knows which sessions have an agent. */
export interface RegistryCalls extends Rpc.DurableObjectBranded {
  /**
   * Adds a session with its own connection; `draft` is listed until the agent is reported. Returns what is known to
   * have been done by the agent.
   */
  add(session: string, draft?: AgentRow): Promise<Tally | undefined>;
  /** Removes a session; `last` is listed for a day. Without it, the session is as it was before it was added. */
  remove(session: string, last?: AgentRow): Promise<void>;
  list(): Promise<string[]>;
  /** Records that a session or a hub is alive. Versions without `report` call it. */
  seen(name: string): Promise<void>;
  /** The same, with the agents that have changed there; with a cause, none of them is on the bus. */
  report(name: string, rows: readonly AgentRow[], cause?: string): Promise<void>;
  /** The answer of `GET /agents`. */
  agents(query: AgentQuery): Promise<AgentList>;
  /** Finds a hub with room for a session's agent; `draft` as in `add`. */
  place(session: string, agentsPerHub: number, draft?: AgentRow): Promise<string>;
  /** The sessions whose agents are in a hub. Versions without `search` call it. */
  placed(hub: string): Promise<string[]>;
  /**
   * Wakes the agents that only one of the two knows: this object, and a hub that has these seats and leavers. Returns
   * whether it woke all of them.
   */
  search(hub: string, seats: readonly string[], leavers: readonly string[]): Promise<boolean>;
  /** Wakes sessions and hubs that were silent for a minute. Returns how many remain to be woken. */
  wake(): Promise<number>;
}

/** An agent as the routes show it. Without numbers if its hub cannot be reached. */
export interface View extends Partial<Numbers> {
  readonly state: State;
  readonly owner: string;
  readonly session: string;
  readonly agent: string;
  readonly instance_id?: string;
  readonly subjects: Subjects;
  /** Why it stopped, or why it is not on the bus. */
  readonly cause?: string;
  /** What differs from the configuration, although the agent is on the bus. */
  readonly note?: string;
  /** When it was last stopped, as RFC 3339, so that a later start can be told apart from an earlier one. */
  readonly stopped_at?: string;
}

/** What remains of an abort that arrived before any start. */
export type StopRecord = Pick<View, "state" | "cause" | "stopped_at">;

export interface Started {
  /** False if the agent was already running. */
  readonly created: boolean;
  readonly view: View;
}
