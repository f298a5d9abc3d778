import type { Fault } from "../errors.ts";
import type { Outcome } from "../outcome.ts";

/*
 * The interface between the bus side, which speaks with callers, and the conversation, which answers them. Both may be
 * in one object, or in two that call each other: everything that passes is data.
 */

/** A prompt to be answered. */
export interface Order {
  /** Tells this turn from all others. */
  readonly id: string;
  readonly prompt: string;
  /** Largest message of the bus in bytes, for what has to fit into one. */
  readonly maxPayload: number;
}

/** A piece of an answer: text, or the data of a status chunk. */
export type Part = readonly [kind: "text" | "status", data: string];

/** Where a turn says something while it runs. */
export interface Sink {
  /** Sends parts of the answer; resolves once there is room for more. */
  parts(parts: readonly Part[]): Promise<void>;
  /** Asks the caller a question and waits for the answer. */
  ask(question: string): Promise<Outcome<string>>;
}

/** How a turn ended: what it had not said yet, and what went wrong, if anything did. */
export interface TurnEnd {
  readonly rest: readonly Part[];
  readonly fault?: Fault;
  /** There is no such agent any more. */
  readonly isGone?: boolean;
}

/** A stream that is acknowledged and not ended, and the turn that answers it, if one does. */
export interface OpenStream {
  readonly subject: string;
  readonly turn?: string;
}

/** Answers the prompts of a session. */
export interface TurnRunner {
  /** Rejects only if the turn cannot be run at all. */
  turn(session: string, order: Order, sink: Sink): Promise<TurnEnd>;
  /** Listens again to a turn that runs since before this side of the bus was restarted. */
  rejoin(session: string, id: string, sink: Sink): Promise<TurnEnd>;
  /** Ends a turn that is running; nobody waits for its answer any more. */
  cancel(session: string, id: string): void;
}
