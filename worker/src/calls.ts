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
}

/** The calls of the one object that knows which sessions have an agent. */
export interface RegistryCalls extends Rpc.DurableObjectBranded {
  add(session: string): Promise<void>;
  remove(session: string): Promise<void>;
  list(): Promise<string[]>;
  /** A sign of life of a session's agent. */
  seen(session: string): Promise<void>;
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
