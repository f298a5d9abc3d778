import type { Part, Sink } from "./bus/turns.ts";
import type { Outcome } from "./outcome.ts";

/** Characters that are collected before whoever writes has to wait. */
const MAX_CHARS = 256 * 1024;

/**
 * Carries a turn's words to its sink, one call at a time, together with all that has been said meanwhile: in order, and
 * few calls for many small parts. What has not left at the end travels with the result of the turn. A sink that is lost
 * may be replaced: what was on its way is then sent again.
 */
export class Pipe {
  #parts: Part[] = [];
  #chars = 0;
  /** What sends, until there is nothing left to send. */
  #sending: Promise<void> | undefined;
  /** The call in flight. */
  #call: Promise<void> | undefined;
  #sink: Sink | undefined;
  #next = Promise.withResolvers<Sink>();

  constructor(
    sink: Sink,
    private readonly signal: AbortSignal,
    /** Called when the sink is lost. */
    private readonly lost: () => void,
  ) {
    this.#sink = sink;
    this.#next.promise.catch(() => undefined);
    signal.addEventListener("abort", () => this.#next.reject(signal.reason));
  }

  /** Whether there is a sink, as far as is known. */
  get isHeard(): boolean {
    return this.#sink !== undefined;
  }

  /** Speaks to another sink from now on. */
  join(sink: Sink): void {
    this.#sink = sink;
    this.#next.resolve(sink);
    this.#next = Promise.withResolvers();
    this.#next.promise.catch(() => undefined);
    if (this.signal.aborted) this.#next.reject(this.signal.reason);
  }

  /** Resolves once there is room for more. */
  async write(part: Part): Promise<void> {
    this.signal.throwIfAborted();
    this.#parts.push(part);
    this.#chars += part[1].length;
    this.#sending ??= this.#send();
    if (this.#chars > MAX_CHARS) await this.#sending;
  }

  /** Asks, after everything that was said before; again, if the question was lost. */
  async ask(question: string): Promise<Outcome<string>> {
    for (;;) {
      await this.#sending;
      this.signal.throwIfAborted();
      const sink = await this.#present();
      try {
        return await sink.ask(question);
      } catch {
        this.#lose(sink);
      }
    }
  }

  /** What is left to say. */
  async rest(): Promise<readonly Part[]> {
    await this.#call?.catch(() => undefined);
    return this.#take();
  }

  async #send(): Promise<void> {
    // What is said in one go leaves in one call, or with the result if that is all.
    await scheduler.wait(0);
    try {
      while (this.#parts.length > 0) await this.#sendTo(await this.#present());
    } catch {
      // The turn was interrupted.
    } finally {
      this.#sending = undefined;
    }
  }

  async #sendTo(sink: Sink): Promise<void> {
    const parts = this.#take();
    if (parts.length === 0) return;
    this.#call = sink.parts(parts).catch(() => {
      this.#put([...parts, ...this.#parts]);
      this.#lose(sink);
    });
    await this.#call;
    this.#call = undefined;
  }

  /** The sink, once there is one. Rejects when the turn is interrupted. */
  async #present(): Promise<Sink> {
    return this.#sink ?? (await this.#next.promise);
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
}
