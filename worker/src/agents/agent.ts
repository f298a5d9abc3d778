import type { Vars } from "../vars.ts";

/** One prompt being answered. Everything an agent may do to the outside goes through it. */
export interface Turn {
  readonly prompt: string;
  /** Aborted by interrupt, redirect and abort. */
  readonly signal: AbortSignal;
  /** Earlier turns, oldest first. */
  readonly history: readonly Message[];
  /** A `response` chunk; the bus splits it to max_payload. */
  text(chunk: string): Promise<void>;
  /** A `status` chunk, e.g. `tool_use:{json}`, written with at most so many characters of what it shows. */
  status(write: (limit: number) => string): Promise<void>;
  /** A mid-stream query to the caller; resolves with its answer. */
  ask(question: string): Promise<string>;
}

export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface Agent {
  /** Throws WorkerError when the settings can answer no prompt, naming the wrong one; a key may come later. */
  check(): void;
  /** Answers a prompt; resolves with the assistant's text to remember, empty for none; throws WorkerError. */
  answer(turn: Turn): Promise<string>;
}

export interface AgentContext {
  readonly env: Vars;
  /** The `OPEN_AGENT_…` settings of the session's start; they win over the Worker's vars. */
  readonly settings: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
}
