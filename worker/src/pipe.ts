import type { Part, Sink } from "./bus/turns.ts";
import type { Outcome } from "./outcome.ts";

/** Characters that are collected before whoever writes has to wait. */
const MAX_CHARS = 256 * 1024;

/**
 * Carries a turn's words to its sink, one call at a time, together with all that has been said meanwhile: in order, and
 * few calls for many small parts. What has not left at the end travels with the result of the turn.
 */
export class Pipe {
  #parts: Part[] = [];
  #chars = 0;
  /** What sends, until there is nothing left to send. */
  #sending: Promise<void> | undefined;
  /** The call in flight. */
  #call: Promise<void> | undefined;
  #failure: { readonly thrown: unknown } | undefined;

  constructor(
    private readonly sink: Sink,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves once there is room for more. Throws what the sink threw. */
  async write(part: Part): Promise<void> {
    this.#check();
    this.#parts.push(part);
    this.#chars += part[1].length;
    this.#sending ??= this.#send();
    if (this.#chars > MAX_CHARS) await this.#sending;
  }

  /** Asks, after everything that was said before. */
  async ask(question: string): Promise<Outcome<string>> {
    await this.#sending;
    this.#check();
    return this.sink.ask(question);
  }

  /** What is left to say. Throws what the sink threw. */
  async finish(): Promise<readonly Part[]> {
    const rest = await this.rest();
    if (this.#failure) throw this.#failure.thrown;
    return rest;
  }

  /** What is left to say, whatever became of the rest. */
  async rest(): Promise<readonly Part[]> {
    const rest = this.#take();
    await this.#call?.catch(() => undefined);
    return rest;
  }

  #check(): void {
    this.signal.throwIfAborted();
    if (this.#failure) throw this.#failure.thrown;
  }

  async #send(): Promise<void> {
    // What is said in one go leaves in one call, or with the result if that is all.
    await scheduler.wait(0);
    try {
      while (this.#parts.length > 0) {
        this.#call = this.sink.parts(this.#take());
        await this.#call;
      }
    } catch (thrown) {
      this.#failure = { thrown };
    } finally {
      this.#call = undefined;
      this.#sending = undefined;
    }
  }

  #take(): readonly Part[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#chars = 0;
    return parts;
  }
}
