import type { Usage } from "../tally.ts";
import type { Vars } from "../vars.ts";

/** One prompt being answered. An agent reaches its caller only through this. */
export interface Turn {
  readonly prompt: string;
  /** Aborted by interrupt, redirect and abort. */
  readonly signal: AbortSignal;
  /** Reads the earlier turns, oldest first. An agent that remembers nothing never asks: the disk would delay its answer. */
  history(): readonly Message[];
  /** Sends a `response` chunk, or several if one message of the bus is too small for it. */
  text(chunk: string): Promise<void>;
  /** Sends a `status` chunk such as `tool_use:{json}`. `write` returns it with at most `limit` characters of what it shows. */
  status(write: (limit: number) => string): Promise<void>;
  /** Counts what one call of a model used. */
  used(usage: Usage): void;
  /** Sends a `query` chunk and returns the caller's answer. Throws WorkerError `unanswered`. */
  ask(question: string): Promise<string>;
}

export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface Agent {
  /** Throws WorkerError if no prompt could be answered with these settings. A key may still be added later. */
  check(): void;
  /** Answers a prompt and returns the text to remember, empty for none. Throws WorkerError. */
  answer(turn: Turn): Promise<string>;
}

export interface AgentContext {
  readonly env: Vars;
  /** The `OPEN_AGENT_…` settings of the session's start. They take precedence over the Worker's vars. */
  readonly settings: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
}
