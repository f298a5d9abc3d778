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

/** Answers the prompts of one session with its agent, one at a time, and remembers them. */
export class Conversation {
  readonly #running = new Map<string, AbortController>();
  /** The last turn is remembered after it was answered, and before the next one begins. */
  #remembering: Promise<void> = Promise.resolve();

  constructor(
    private readonly memory: Memory,
    private readonly vars: Vars,
  ) {}

  /** Answers a prompt. Never rejects: what went wrong is in the result. */
  async turn(stored: StoredAgent, order: Order, sink: Sink): Promise<TurnEnd> {
    const abort = new AbortController();
    this.#running.set(order.id, abort);
    const pipe = new Pipe(sink, abort.signal);
    try {
      await this.#remembering;
      const maxMessages = limit(this.vars, "AGENT_HISTORY_LIMIT");
      const agent = agentOf(stored, this.vars);
      const answer = await agent.answer(this.#turnOf(order, abort.signal, pipe, maxMessages));
      if (answer !== "" && !abort.signal.aborted) this.#remember(order.prompt, answer, maxMessages);
      return { rest: await pipe.finish() };
    } catch (thrown) {
      if (!abort.signal.aborted) warn("turn failed", { session: stored.session, ...errorDetail(thrown) });
      return { rest: await pipe.rest(), fault: faultOf(thrown) };
    } finally {
      this.#running.delete(order.id);
    }
  }

  /** Ends a turn, if it is running. */
  cancel(id: string): void {
    const reason = new WorkerError({ code: "conflict", message: "the turn was interrupted" });
    this.#running.get(id)?.abort(reason);
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
