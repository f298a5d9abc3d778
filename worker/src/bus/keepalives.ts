/**
 * Half of the longest silence of an open stream, in milliseconds. The protocol's callers give up after 60 s of silence,
 * others after 30 s.
 */
const PERIOD_MS = 9_000;

/** A stream that must not be silent for long. */
export interface Waiting {
  /** Called once in each period. A stream that was silent for a whole one sends a sign of life. */
  beat(): void;
}

/** Keeps open streams alive, all with one timer: one for each prompt would delay every answer. */
export class Keepalives {
  readonly #streams = new Set<Waiting>();
  #isArmed = false;

  add(stream: Waiting): void {
    this.#streams.add(stream);
    if (!this.#isArmed) this.#arm();
  }

  delete(stream: Waiting): void {
    this.#streams.delete(stream);
  }

  #arm(): void {
    this.#isArmed = this.#streams.size > 0;
    if (this.#isArmed) setTimeout(() => this.#beat(), PERIOD_MS);
  }

  #beat(): void {
    this.#arm();
    for (const stream of [...this.#streams]) stream.beat();
  }
}
