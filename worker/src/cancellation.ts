/**
 * Whether work was cancelled, and why. An AbortController for each prompt, with its listeners, would delay every answer, so
 * one is only made when its signal is needed.
 */
export class Cancellation {
  #reason: Error | undefined;
  #abort: AbortController | undefined;
  #listeners: Set<(reason: Error) => void> | undefined;

  /** Why the work was cancelled; undefined if it was not. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** A signal that is aborted with the reason. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#reason) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  /** The first reason counts. */
  cancel(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#abort?.abort(reason);
    for (const listener of this.#listeners ?? []) listener(reason);
  }

  /** Throws the reason. */
  throwIfCancelled(): void {
    if (this.#reason) throw this.#reason;
  }

  /** Calls back at once when the work is cancelled. The returned function removes the listener. */
  onCancel(listener: (reason: Error) => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** The result of a part of the work; rejects at once when the work is cancelled. */
  async race<T>(part: Promise<T>): Promise<T> {
    this.throwIfCancelled();
    const { promise: never, reject } = Promise.withResolvers<never>();
    const end = this.onCancel(reject);
    try {
      return await Promise.race([part, never]);
    } finally {
      end();
    }
  }
}
