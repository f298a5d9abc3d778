import { warn } from "../log.ts";
import type { Connection } from "./connection.ts";
import type { Incoming, Subscription } from "./link.ts";

/**
 * How much surplus may come in at a stretch, without a moment in which the isolate has nothing to do: in messages that cost
 * as much as a refused prompt, counted for all agents of the isolate, and in bytes.
 */
const MAX_MESSAGES = 500;
const MAX_BYTES = 16 * 1024 * 1024;
/** How many of the messages a subscription must have received itself to be suspended. */
const MIN_MESSAGES = 10;
/** How much of what was already on its way to a suspended subscription is still refused; the rest is dropped. */
const MAX_LATE_MESSAGES = 1_000;
/** How long a subscription is suspended: doubled while the flood goes on, up to the maximum. */
const PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 8_000;

/** The surplus messages of this stretch in the isolate: discovery reaches all of its agents, each by its own connection. */
const isolate = { messages: 0 };

export interface InletOptions {
  /** Handles a message, and returns how much of it was surplus: 0 for an accepted prompt, 1 for a refused one. */
  readonly deliver: (message: Incoming, connection: Connection) => number;
  readonly queue?: string;
  readonly maxBytes?: number;
}

/**
 * A subscription that is suspended while it is flooded: more comes in, and faster, than can even be refused, which delays all
 * agents of the isolate. The server then tells the senders that nobody listens.
 */
export class Inlet {
  #connection: Connection | undefined;
  #subscription: Subscription | undefined;
  #idle: number | null = null;
  #messages = 0;
  #bytes = 0;
  #pauseMs = PAUSE_MS;
  #resumedAt = 0;
  #late = 0;
  #pause: number | null = null;

  constructor(
    private readonly subject: string,
    private readonly options: InletOptions,
  ) {}

  /** Subscribes on a connection, or as soon as the current pause is over. */
  open(connection: Connection): void {
    this.#connection = connection;
    if (this.#pause === null) this.#subscribe(connection);
  }

  close(): void {
    clearTimeout(this.#pause);
    this.#pause = null;
    this.#closeSubscription();
    this.#connection = undefined;
  }

  #closeSubscription(): void {
    if (this.#connection?.up) this.#subscription?.close();
    this.#subscription = undefined;
  }

  #subscribe(connection: Connection): void {
    const { deliver, queue } = this.options;
    const receive = (message: Incoming) => {
      this.#count(deliver(message, connection), message.data.length);
    };
    this.#subscription = connection.subscribe(this.subject, receive, queue);
  }

  #count(surplus: number, bytes: number): void {
    if (surplus === 0) return;
    if (this.#pause !== null) {
      this.#late += surplus;
      if (this.#late > MAX_LATE_MESSAGES) this.#closeSubscription();
      return;
    }
    // While messages are waiting, this timer does not fire.
    this.#idle ??= setTimeout(() => this.#forget(), 0);
    this.#messages += surplus;
    this.#bytes += bytes;
    isolate.messages += surplus;
    const { maxBytes = MAX_BYTES } = this.options;
    const isBusy = isolate.messages > MAX_MESSAGES && this.#messages >= MIN_MESSAGES;
    if (isBusy || this.#bytes > maxBytes) this.#suspend();
  }

  #forget(): void {
    this.#idle = null;
    this.#messages = this.#bytes = isolate.messages = 0;
  }

  #suspend(): void {
    if (Date.now() - this.#resumedAt > MAX_PAUSE_MS) this.#pauseMs = PAUSE_MS;
    warn("flooded", { subject: this.subject, pause_s: this.#pauseMs / 1000 });
    this.#subscription?.drain();
    this.#messages = this.#bytes = this.#late = 0;
    this.#pause = setTimeout(() => this.#resume(), this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS);
  }

  #resume(): void {
    this.#pause = null;
    this.#resumedAt = Date.now();
    const connection = this.#connection;
    if (!connection?.up) return;
    this.#subscribe(connection);
    void connection.confirm();
  }
}
