import type { Fault } from "../errors.ts";
import type { Outcome } from "../outcome.ts";
import type { Usage } from "../tally.ts";

/*
 * The interface between the bus side, which talks to callers, and the conversation, which answers prompts. They may be in
 * one object, or in two that call each other, so only data and remote sinks are passed.
 */

/** A prompt to be answered. */
export interface TurnRequest {
  /** Unique for each turn. */
  readonly id: string;
  readonly prompt: string;
  /** Largest message of the bus, in bytes. */
  readonly maxPayload: number;
}

/** A piece of an answer: text, or the data of a status chunk. */
export type Part = readonly [kind: "text" | "status", data: string];

/** Receives the output of a running turn. */
export interface Sink {
  /** Sends parts of the answer, and what the model used meanwhile; resolves once there is room for more. */
  parts(parts: readonly Part[], usage?: Usage): Promise<void>;
  /** Asks the caller a question and waits for the answer. */
  ask(question: string): Promise<Outcome<string>>;
}

/** How a turn ended: its unsent parts and usage, and its fault, if any. */
export interface TurnEnd {
  readonly rest: readonly Part[];
  readonly usage?: Usage;
  readonly fault?: Fault;
  /** Whether the agent no longer exists. */
  readonly isGone?: boolean;
}

/** A stream that is acknowledged and not ended, and the turn that is answering it, if any. */
export interface OpenStream {
  /** Empty if nobody listens. */
  readonly subject: string;
  readonly turn?: string;
}

/** Answers the prompts of a session. */
export interface TurnRunner {
  /** Rejects only if the turn cannot be run at all. */
  turn(session: string, request: TurnRequest, sink: Sink): Promise<TurnEnd>;
  /** Reattaches to a turn that was running before the bus side was restarted. */
  rejoin(session: string, id: string, sink: Sink): Promise<TurnEnd>;
  /** Ends a running turn, whose answer is no longer wanted. */
  cancel(session: string, id: string): void;
}
