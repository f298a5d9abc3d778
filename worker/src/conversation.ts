import type { Agent, Turn } from "./agents/agent.ts";
import { MAX_HISTORY_CHARS } from "./agents/history.ts";
import { agentFor } from "./agents/index.ts";
import { MAX_SHOWN_CHARS } from "./agents/tool_status.ts";
import { chunkFrame } from "./bus/frames.ts";
import type { Sink, TurnEnd, TurnRequest } from "./bus/turns.ts";
import { faultOf, WorkerError } from "./errors.ts";
import { limit } from "./limits.ts";
import { errorDetail, warn } from "./log.ts";
import type { Memory, StoredAgent } from "./memory.ts";
import { unwrap } from "./outcome.ts";
import { Pipe } from "./pipe.ts";
import type { Vars } from "./vars.ts";

/** How long a turn continues after its listener was lost, in milliseconds. */
const REJOIN_MS = 60_000;

interface Running {
  readonly abort: AbortController;
  readonly pipe: Pipe;
  readonly end: Promise<TurnEnd>;
}

/** Answers the prompts of one session with its agent, one at a time, and saves them in its history. */
export class Conversation {
  readonly #turns = new Map<string, Running>();
  /** The last turn that ended, for a listener that was lost before its end. */
  #last: { readonly id: string; readonly end: Promise<TurnEnd> } | undefined;
  /** Saving the last turn to the history; it happens between its answer and the next turn. */
  #remembering: Promise<void> = Promise.resolve();

  constructor(
    private readonly memory: Memory,
    private readonly vars: Vars,
  ) {}

  /** Answers a prompt. Never rejects: a fault is in the result. */
  turn(stored: StoredAgent, request: TurnRequest, sink: Sink): Promise<TurnEnd> {
    const abort = new AbortController();
    const pipe = new Pipe(sink, abort.signal, () => this.#giveUpLater(request.id));
    const end = this.#answer(stored, request, abort.signal, pipe).finally(() => {
      this.#turns.delete(request.id);
      this.#last = { id: request.id, end };
    });
    this.#turns.set(request.id, { abort, pipe, end });
    return end;
  }

  /** Reattaches to a turn whose listener was lost; undefined if the turn is unknown. */
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

  async #answer(
    stored: StoredAgent,
    request: TurnRequest,
    signal: AbortSignal,
    pipe: Pipe,
  ): Promise<TurnEnd> {
    try {
      await this.#remembering;
      const maxMessages = limit(this.vars, "AGENT_HISTORY_LIMIT");
      const agent = agentOf(stored, this.vars);
      const answer = await agent.answer(this.#turnOf(request, signal, pipe, maxMessages));
      if (answer !== "" && !signal.aborted) this.#remember(request.prompt, answer, maxMessages);
      return await pipe.rest();
    } catch (thrown) {
      if (!signal.aborted) warn("turn failed", { session: stored.session, ...errorDetail(thrown) });
      return { ...(await pipe.rest()), fault: faultOf(thrown) };
    }
  }

  #giveUpLater(id: string): void {
    setTimeout(() => {
      if (this.#turns.get(id)?.pipe.hasListener === false) this.cancel(id);
    }, REJOIN_MS);
  }

  /** The agent's view of a turn. Once the signal is aborted, all of its methods but `used` throw. */
  #turnOf({ prompt, maxPayload }: TurnRequest, signal: AbortSignal, pipe: Pipe, maxMessages: number): Turn {
    const fits = (data: string) => chunkFrame("", "status", data).data.length <= maxPayload;
    return {
      prompt,
      signal,
      history: () => this.memory.history(maxMessages, MAX_HISTORY_CHARS),
      text: (chunk) => pipe.write(["text", chunk]),
      status: (write) => pipe.write(["status", longest(write, fits)]),
      used: (usage) => pipe.count(usage),
      ask: (question) => beforeAbort(signal, async () => unwrap(await pipe.ask(question))),
    };
  }

  /** Deferred, since a write to disk delays all messages after it, and the answer should go first. */
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

/** The result of the work; rejects at once if the signal is aborted. */
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
