import type { Presence } from "./bus/seat.ts";
import type { OpenStream, Order, Sink, TurnEnd } from "./bus/turns.ts";
import type { Outcome } from "./outcome.ts";
import type { Settings } from "./settings.ts";
import type { Subjects } from "./subjects.ts";

/*
 * The remote calls between the Worker and its Durable Objects. A deploy mixes versions for minutes: methods keep their
 * names and meaning, and fields are only ever added.
 */

/** The calls of an agent's session, one object for each. */
export interface SessionCalls extends Rpc.DurableObjectBranded {
  /** Starts the agent, or returns the running one if its settings are the same. */
  start(session: string, settings: Settings): Promise<Outcome<Started>>;
  /** The state of the session; null if it is unknown. */
  look(): Promise<View | StopRecord | null>;
  /** Ends all streams, leaves the bus and forgets the conversation; false if no agent was running. */
  stop(session: string, cause: string): Promise<Outcome<boolean>>;
  /** Answers a prompt for the hub in which the agent has its seat. */
  turn(order: Order, sink: Sink): Promise<TurnEnd>;
  /** Listens again to a turn, after the hub was restarted; null if it is not known. */
  rejoin(id: string, sink: Sink): Promise<TurnEnd | null>;
  cancel(id: string): Promise<void>;
  /** The agent no longer has the seat of this generation; a cause keeps it out of hubs for a while. */
  unseat(generation: number, cause?: string): Promise<void>;
  /** The agent in the seat of this generation was stopped by its idle limit. */
  expire(generation: number, cause: string): Promise<void>;
}

/** The calls of a hub, which holds one connection to the bus for many agents. */
export interface HubCalls extends Rpc.DurableObjectBranded {
  /** Puts an agent on the bus, and ends the streams that it had left open elsewhere. The same again changes nothing. */
  join(hub: string, presence: Presence, newcomer: Newcomer): Promise<Outcome<SeatView>>;
  /** Takes an agent off the bus, unless it has a seat of a later generation. */
  leave(session: string, generation: number): Promise<Outcome<void>>;
  /** The seat of an agent; null if it has none. */
  view(session: string): Promise<SeatView | null>;
  wake(): Promise<void>;
}

/** What a hub has to know of an agent that joins it. */
export interface Newcomer {
  readonly generation: number;
  /** Whether it was never on the bus before. */
  readonly isNew: boolean;
  readonly orphans: readonly OpenStream[];
}

/** What a hub knows of an agent. */
export interface SeatView {
  readonly instanceId: string;
  readonly isPresent: boolean;
  readonly isBusy: boolean;
  /** Why it is not on the bus. */
  readonly cause?: string;
}

/** The calls of the one object that knows which sessions have an agent. */
export interface RegistryCalls extends Rpc.DurableObjectBranded {
  add(session: string): Promise<void>;
  remove(session: string): Promise<void>;
  list(): Promise<string[]>;
  /** A sign of life of a session's agent, or of a hub. */
  seen(name: string): Promise<void>;
  /** Finds a hub with room for a session's agent. */
  place(session: string, agentsPerHub: number): Promise<string>;
  /** The sessions whose agents have their place in a hub. */
  placed(hub: string): Promise<string[]>;
  /** Wakes agents that should be alive and were silent for a minute. Returns how many are left to be woken. */
  wake(): Promise<number>;
}

export type State = "starting" | "ready" | "busy" | "stopped";

/** An agent as the routes show it. */
export interface View {
  readonly state: State;
  readonly owner: string;
  readonly session: string;
  readonly agent: string;
  readonly instance_id?: string;
  readonly subjects: Subjects;
  /** Why it stopped, or why it is not on the bus. */
  readonly cause?: string;
  /** What is not as it was asked for, though the agent is on the bus. */
  readonly note?: string;
  /** When it was last stopped, as RFC 3339. Whoever has started it again since then can tell the two apart. */
  readonly stopped_at?: string;
}

/** What remains of an abort that arrived before any start. */
export type StopRecord = Pick<View, "state" | "cause" | "stopped_at">;

export interface Started {
  /** False if the agent was already running. */
  readonly created: boolean;
  readonly view: View;
}
