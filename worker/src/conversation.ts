import type { Agent, Turn } from "./agents/agent.ts";
import { MAX_HISTORY_CHARS } from "./agents/history.ts";
import { agentFor } from "./agents/index.ts";
import { MAX_SHOWN_CHARS } from "./agents/tool_status.ts";
import { chunkFrame } from "./bus/frames.ts";
import type { Order, Sink, TurnEnd } from "./bus/turns.ts";
import { faultOf, WorkerError } from "./errors.ts";
import { limit } from "./limits.ts";
import { errorDetail, warn } from "./log.ts";
import type { Memory, StoredAgent } from "./memory.ts";
import { unwrap } from "./outcome.ts";
import { Pipe } from "./pipe.ts";
import type { Vars } from "./vars.ts";

/** How long a turn whose listener was lost goes on without one, in milliseconds. */
const REJOIN_MS = 60_000;

interface Running {
  readonly abort: AbortController;
  readonly pipe: Pipe;
  readonly end: Promise<TurnEnd>;
}

/** Answers the prompts of one session with its agent, one at a time, and remembers them. */
export class Conversation {
  readonly #turns = new Map<string, Running>();
  /** The last turn that ended, for a listener who was lost before it heard of that. */
  #last: { readonly id: string; readonly end: Promise<TurnEnd> } | undefined;
  /** The last turn is remembered after it was answered, and before the next one begins. */
  #remembering: Promise<void> = Promise.resolve();

  constructor(
    private readonly memory: Memory,
    private readonly vars: Vars,
  ) {}

  /** Answers a prompt. Never rejects: what went wrong is in the result. */
  turn(stored: StoredAgent, order: Order, sink: Sink): Promise<TurnEnd> {
    const abort = new AbortController();
    const pipe = new Pipe(sink, abort.signal, () => this.#giveUpLater(order.id));
    const end = this.#answer(stored, order, abort.signal, pipe).finally(() => {
      this.#turns.delete(order.id);
      this.#last = { id: order.id, end };
    });
    this.#turns.set(order.id, { abort, pipe, end });
    return end;
  }

  /** Listens again to a turn whose listener was lost; undefined if it is not known. */
  rejoin(id: string, sink: Sink): Promise<TurnEnd> | undefined {
    const turn = this.#turns.get(id);
    turn?.pipe.join(sink);
    return turn?.end ?? (this.#last?.id === id ? this.#last.end : undefined);
  }

  /** Ends a turn, if it is running. */
  cancel(id: string): void {
    const reason = new WorkerError({ code: "conflict", message: "the turn was interrupted" });
    this.#turns.get(id)?.abort.abort(reason);
  }

  cancelAll(): void {
    for (const id of this.#turns.keys()) this.cancel(id);
  }

  async #answer(stored: StoredAgent, order: Order, signal: AbortSignal, pipe: Pipe): Promise<TurnEnd> {
    try {
      await this.#remembering;
      const maxMessages = limit(this.vars, "AGENT_HISTORY_LIMIT");
      const agent = agentOf(stored, this.vars);
      const answer = await agent.answer(this.#turnOf(order, signal, pipe, maxMessages));
      if (answer !== "" && !signal.aborted) this.#remember(order.prompt, answer, maxMessages);
      return { rest: await pipe.rest() };
    } catch (thrown) {
      if (!signal.aborted) warn("turn failed", { session: stored.session, ...errorDetail(thrown) });
      return { rest: await pipe.rest(), fault: faultOf(thrown) };
    }
  }

  #giveUpLater(id: string): void {
    setTimeout(() => {
      if (this.#turns.get(id)?.pipe.isHeard === false) this.cancel(id);
    }, REJOIN_MS);
  }

  /** Once the signal is aborted, everything in a turn throws. */
  #turnOf({ prompt, maxPayload }: Order, signal: AbortSignal, pipe: Pipe, maxMessages: number): Turn {
    const fits = (data: string) => chunkFrame("", "status", data).data.length <= maxPayload;
    return {
      prompt,
      signal,
      history: () => this.memory.history(maxMessages, MAX_HISTORY_CHARS),
      text: (chunk) => pipe.write(["text", chunk]),
      status: (write) => pipe.write(["status", longest(write, fits)]),
      ask: (question) => beforeAbort(signal, async () => unwrap(await pipe.ask(question))),
    };
  }

  /** A write to disk delays everything that is sent after it, so the answer goes first. */
  #remember(prompt: string, answer: string, maxMessages: number): void {
    this.#remembering = scheduler.wait(0).then(() => {
      if (this.memory.agent) this.memory.remember(prompt, answer, maxMessages, MAX_HISTORY_CHARS);
    });
  }
}

/** The agent that a session asked for. */
export function agentOf({ settings: { agent, env } }: Pick<StoredAgent, "settings">, vars: Vars): Agent {
  return agentFor(agent, { env: vars, settings: env, fetch });
}

/** The text with the largest excerpt that still fits. */
function longest(write: (limit: number) => string, fits: (text: string) => boolean): string {
  let limit = MAX_SHOWN_CHARS;
  while (limit > 0 && !fits(write(limit))) limit = Math.floor(limit / 2);
  return write(limit);
}

/** Rejects at once when the signal is aborted, whatever becomes of the work. */
async function beforeAbort<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: never, reject } = Promise.withResolvers<never>();
  const aborted = () => reject(signal.reason);
  signal.addEventListener("abort", aborted);
  try {
    return await Promise.race([work(), never]);
  } finally {
    signal.removeEventListener("abort", aborted);
  }
}
