import type { Agent, Message, Turn } from "./agents/agent.ts";
import { MAX_HISTORY_CHARS } from "./agents/history.ts";
import { agentFor } from "./agents/index.ts";
import { MAX_SHOWN_CHARS } from "./agents/tool_status.ts";
import { chunkFrame } from "./bus/frames.ts";
import type { Sink, TurnEnd, TurnRequest } from "./bus/turns.ts";
import { Cancellation } from "./cancellation.ts";
import { faultOf, INTERRUPTED, WorkerError } from "./errors.ts";
import { limit } from "./limits.ts";
import { errorDetail, warn } from "./log.ts";
import type { Memory, StoredAgent } from "./memory.ts";
import { unwrap } from "./outcome.ts";
import { Pipe } from "./pipe.ts";
import type { Usage } from "./tally.ts";
import type { Vars } from "./vars.ts";

/** How long a turn continues after its listener was lost, in milliseconds. */
const REJOIN_MS = 60_000;

interface Running {
  readonly cancellation: Cancellation;
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
    const cancellation = new Cancellation();
    const pipe = new Pipe(sink, cancellation, () => this.#giveUpLater(request.id));
    const end = this.#answer(stored, request, cancellation, pipe);
    this.#turns.set(request.id, { cancellation, pipe, end });
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
    this.#turns.get(id)?.cancellation.cancel(new WorkerError(INTERRUPTED));
  }

  cancelAll(): void {
    for (const id of this.#turns.keys()) this.cancel(id);
  }

  async #answer(
    stored: StoredAgent,
    request: TurnRequest,
    cancellation: Cancellation,
    pipe: Pipe,
  ): Promise<TurnEnd> {
    try {
      await this.#remembering;
      const maxMessages = limit(this.vars, "AGENT_HISTORY_LIMIT");
      const agent = agentOf(stored, this.vars);
      const history = () => this.memory.history(maxMessages, MAX_HISTORY_CHARS);
      const answer = await agent.answer(new PipedTurn(request, cancellation, pipe, history));
      if (answer !== "" && !cancellation.reason)
        this.#remember(stored.session, request.prompt, answer, maxMessages);
      return await pipe.rest();
    } catch (thrown) {
      if (!cancellation.reason) warn("turn failed", { session: stored.session, ...errorDetail(thrown) });
      return { ...(await pipe.rest()), fault: faultOf(thrown) };
    } finally {
      this.#forget(request.id);
    }
  }

  #forget(id: string): void {
    const turn = this.#turns.get(id);
    this.#turns.delete(id);
    if (turn) this.#last = { id, end: turn.end };
  }

  #giveUpLater(id: string): void {
    setTimeout(() => {
      if (this.#turns.get(id)?.pipe.hasListener === false) this.cancel(id);
    }, REJOIN_MS);
  }

  /** Deferred, since a write to disk delays all messages after it, and the answer should go first. */
  #remember(session: string, prompt: string, answer: string, maxMessages: number): void {
    const remembering = scheduler.wait(0).then(() => {
      if (this.memory.agent) this.memory.remember(prompt, answer, maxMessages, MAX_HISTORY_CHARS);
    });
    // Otherwise every later turn would fail.
    this.#remembering = remembering.catch((thrown) => {
      warn("not remembered", { session, ...errorDetail(thrown) });
    });
  }
}

/** The agent's view of a turn. Once the turn is cancelled, all of its methods but `used` throw. */
class PipedTurn implements Turn {
  constructor(
    private readonly request: TurnRequest,
    private readonly cancellation: Cancellation,
    private readonly pipe: Pipe,
    readonly history: () => readonly Message[],
  ) {}

  get prompt(): string {
    return this.request.prompt;
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  text(chunk: string): Promise<void> {
    return this.pipe.write(["text", chunk]);
  }

  status(write: (limit: number) => string): Promise<void> {
    const fits = (data: string) => chunkFrame("", "status", data).size <= this.request.maxPayload;
    return this.pipe.write(["status", longest(write, fits)]);
  }

  used(usage: Usage): void {
    this.pipe.count(usage);
  }

  ask(question: string): Promise<string> {
    return this.cancellation.race(this.pipe.ask(question).then(unwrap));
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
