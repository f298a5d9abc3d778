import type { Part, Sink, TurnEnd } from "./bus/turns.ts";
import type { Cancellation } from "./cancellation.ts";
import type { Outcome } from "./outcome.ts";
import type { Usage } from "./tally.ts";
import { endOfTick } from "./tick.ts";

/** Characters that are buffered before `write` waits. */
const MAX_CHARS = 256 * 1024;

/**
 * Sends a turn's output to its sink, in order and one call at a time; parts that arrive during a call are sent together
 * in the next one. Parts that are unsent at the end go with the result of the turn. A lost sink can be replaced, and then
 * the parts of the failed call are sent again.
 */
export class Pipe {
  #parts: Part[] = [];
  #chars = 0;
  /** What the model has used that the sink has not been sent. */
  #usage: Usage | undefined;
  /** The loop that sends, until the buffer is empty. */
  #sending: Promise<void> | undefined;
  /** The call in flight. */
  #call: Promise<void> | undefined;
  #sink: Sink | undefined;
  /** The next sink, while there is none. */
  #next: PromiseWithResolvers<Sink> | undefined;

  constructor(
    sink: Sink,
    private readonly cancellation: Cancellation,
    /** Called when the sink is lost. */
    private readonly lost: () => void,
  ) {
    this.#sink = sink;
  }

  /** Whether there is a sink, as far as known. */
  get hasListener(): boolean {
    return this.#sink !== undefined;
  }

  /** Sends to another sink from now on. */
  join(sink: Sink): void {
    this.#sink = sink;
    this.#next?.resolve(sink);
    this.#next = undefined;
  }

  /** Resolves once there is room for more. */
  async write(part: Part): Promise<void> {
    this.cancellation.throwIfCancelled();
    this.#parts.push(part);
    this.#chars += part[1].length;
    this.#sending ??= this.#send();
    if (this.#chars > MAX_CHARS) await this.#sending;
  }

  /** Counts what the model used, also after the turn was interrupted: it is paid for. */
  count(usage: Usage): void {
    this.#usage = sum(this.#usage, usage);
    this.#sending ??= this.#send();
  }

  /** Asks after all earlier parts were sent, and again if the question was lost. */
  async ask(question: string): Promise<Outcome<string>> {
    for (;;) {
      await this.#sending;
      this.cancellation.throwIfCancelled();
      const sink = await this.#present();
      try {
        return await sink.ask(question);
      } catch {
        this.#lose(sink);
      }
    }
  }

  /** The parts and the usage that are unsent. */
  async rest(): Promise<Pick<TurnEnd, "rest" | "usage">> {
    await this.#call?.catch(() => undefined);
    const usage = this.#takeUsage();
    return { rest: this.#take(), ...(usage && { usage }) };
  }

  async #send(): Promise<void> {
    // Parts that are written at once go in one call, or with the result if the turn ends.
    await endOfTick();
    try {
      while (this.#parts.length > 0 || this.#usage) await this.#sendTo(await this.#present());
    } catch {
      // The turn was interrupted.
    } finally {
      this.#sending = undefined;
    }
  }

  async #sendTo(sink: Sink): Promise<void> {
    const parts = this.#take();
    const usage = this.#takeUsage();
    if (parts.length === 0 && usage === undefined) return;
    this.#call = sink.parts(parts, usage).catch(() => {
      this.#put([...parts, ...this.#parts]);
      if (usage) this.#usage = sum(this.#usage, usage);
      this.#lose(sink);
    });
    await this.#call;
    this.#call = undefined;
  }

  /** The sink, once there is one. Rejects when the turn is interrupted. */
  async #present(): Promise<Sink> {
    if (this.#sink) return this.#sink;
    this.#next ??= Promise.withResolvers();
    return this.cancellation.race(this.#next.promise);
  }

  #lose(sink: Sink): void {
    if (this.#sink !== sink) return;
    this.#sink = undefined;
    this.lost();
  }

  #take(): readonly Part[] {
    const parts = this.#parts;
    this.#put([]);
    return parts;
  }

  #put(parts: Part[]): void {
    this.#parts = parts;
    this.#chars = parts.reduce((sum, [, data]) => sum + data.length, 0);
  }

  #takeUsage(): Usage | undefined {
    const usage = this.#usage;
    this.#usage = undefined;
    return usage;
  }
}

function sum(a: Usage | undefined, b: Usage): Usage {
  if (a === undefined) return b;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
  };
}
