import { warn } from "../log.ts";
import type { Connection } from "./connection.ts";
import type { Incoming, Subscription } from "./link.ts";

/**
 * How much may come in for one subscription at a stretch: until the server answers a ping, since everything that was on its way
 * arrives before the answer. In that time the runtime reads hardly anything else, which delays all agents of the isolate.
 */
const MAX_MESSAGES = 500;
const MAX_BYTES = 4 * 1024 * 1024;
/** The part of the messages, and the bytes, that may come before the server is sent a ping. */
const FEW = 0.2;
const FEW_BYTES = 256 * 1024;
/** How many messages make the isolate busy if they come within so many milliseconds. */
const BUSY_MESSAGES = 500;
const BUSY_MS = 100;
/** How many messages a subscription may receive at a stretch in a busy isolate; half of its usual number if that is less. */
const MAX_BUSY_MESSAGES = 50;
/** The bytes that may come after a flood, which may still be going on. */
const PROBATION_BYTES = MAX_BYTES / 4;
/** How long a subscription is suspended: doubled while the flood goes on, up to the maximum. */
const PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 8_000;

/** The messages since a time in milliseconds since 1970, for all subscriptions of the isolate. */
const isolate = { messages: 0, since: 0 };

export interface InletOptions {
  readonly deliver: (message: Incoming, connection: Connection) => void;
  readonly queue?: string;
  /** How many messages may come in at a stretch. */
  readonly maxMessages?: number;
}

/**
 * A subscription that ends at the server before a flood of it delays the other agents of the isolate. The server is told after
 * how many messages to end it, and that it may send more once those have been read: what it sends until a flood is noticed here
 * would take seconds to read. When too much comes at a stretch, the subscription is suspended, and the server tells the senders
 * that nobody listens.
 */
export class Inlet {
  readonly #maxMessages: number;
  #connection: Connection | undefined;
  #subscription: Subscription | undefined;
  /** How many messages the subscription has received, and after how many the server ends it. */
  #received = 0;
  #limit = 0;
  /** How many messages the server may send: fewer after large ones, and after a flood. */
  #window: number;
  /** What has come in at this stretch, or since the last one. */
  #messages = 0;
  #bytes = 0;
  #isMeasuring = false;
  #pauseMs = PAUSE_MS;
  #pause: number | null = null;
  #resumedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly subject: string,
    private readonly options: InletOptions,
  ) {
    this.#maxMessages = options.maxMessages ?? MAX_MESSAGES;
    this.#window = this.#maxMessages;
  }

  /** Subscribes on a connection, or as soon as the current pause is over. */
  open(connection: Connection): void {
    this.#connection = connection;
    this.#messages = this.#bytes = 0;
    if (this.#pause === null) this.#subscribe(connection);
  }

  close(): void {
    clearTimeout(this.#pause);
    this.#pause = null;
    if (this.#connection?.up) this.#subscription?.close();
    this.#subscription = undefined;
    this.#connection = undefined;
  }

  #subscribe(connection: Connection): void {
    this.#received = 0;
    // A stretch may be going on.
    this.#limit = Math.min(this.#window, this.#maxMessages - this.#messages);
    this.#subscription = connection.subscribe(this.subject, (message) => this.#receive(message, connection), {
      queue: this.options.queue,
      limit: this.#limit,
      arriving: (bytes) => this.#narrow(bytes),
    });
  }

  #receive(message: Incoming, connection: Connection): void {
    try {
      this.options.deliver(message, connection);
    } finally {
      // What was on its way when the subscription was suspended no longer counts.
      if (this.#pause === null) this.#count(message.data.length);
    }
  }

  #count(bytes: number): void {
    const isBusy = isIsolateBusy();
    if (isBusy || !this.#isCalm) void this.#measure();
    this.#received += 1;
    this.#messages += 1;
    this.#bytes += bytes;
    if (this.#isMeasuring && this.#isFull(isBusy)) this.#suspend();
    else if (this.#received >= this.#limit) this.#subscribeAgain();
  }

  get #isCalm(): boolean {
    return this.#messages < this.#maxMessages * FEW && this.#bytes < FEW_BYTES && this.#isWide;
  }

  #isFull(isBusy: boolean): boolean {
    // A single message is not a flood, whatever its size.
    if (this.#messages > 1 && this.#bytes > MAX_BYTES) return true;
    if (isBusy && this.#messages >= Math.min(MAX_BUSY_MESSAGES, this.#maxMessages / 2)) return true;
    return this.#messages >= (this.#isFlooded ? this.#window : this.#maxMessages);
  }

  /** Whether the server may send enough messages. */
  get #isWide(): boolean {
    return this.#limit - this.#received >= this.#maxMessages * (1 - FEW);
  }

  /** Lets the server end the subscription early, in case the next messages are as large as the one that is arriving. */
  #narrow(size: number): void {
    if (this.#pause !== null || this.#bytes + size < FEW_BYTES) return;
    const room = Math.max(0, Math.floor((MAX_BYTES - this.#bytes) / size));
    // The one that has no room reveals the flood.
    const limit = this.#received + room + 1;
    if (limit >= this.#limit) return;
    this.#limit = limit;
    this.#subscription?.limit(limit);
    void this.#measure();
  }

  /** Waits for the end of the stretch, and lets the server send more until it may send enough. */
  async #measure(): Promise<void> {
    const connection = this.#connection;
    if (this.#isMeasuring || !connection?.up) return;
    this.#isMeasuring = true;
    let unheard = Number.POSITIVE_INFINITY;
    do {
      const subscription = this.#subscription;
      this.#messages = this.#bytes = 0;
      await connection.processed();
      if (this.#connection !== connection || this.#pause !== null) break;
      // The server may have ended it before it got a higher limit.
      if (this.#subscription === subscription && this.#received >= unheard) this.#subscribeAgain();
      unheard = this.#limit;
    } while (this.#widen());
    this.#isMeasuring = false;
  }

  /** Lets the server send more, but few if the last ones were large. Returns whether it was told. */
  #widen(): boolean {
    if (!this.#isFlooded)
      this.#window = this.#bytes > FEW_BYTES ? this.#fitting(MAX_BYTES) : this.#maxMessages;
    const limit = this.#received + this.#window;
    if (this.#isWide || limit <= this.#limit) return false;
    this.#limit = limit;
    this.#subscription?.limit(limit);
    return true;
  }

  #subscribeAgain(): void {
    if (!this.#connection?.up) return;
    this.#subscription?.drain();
    this.#subscribe(this.#connection);
  }

  /** How many messages like those of this stretch may come, in at most so many bytes. */
  #fitting(bytes: number): number {
    const fitting = (bytes * this.#messages) / Math.max(1, this.#bytes);
    return Math.min(this.#maxMessages, Math.ceil(fitting));
  }

  /** Whether a flood may still be going on. */
  get #isFlooded(): boolean {
    return this.#pause !== null || Date.now() - this.#resumedAt <= MAX_PAUSE_MS;
  }

  #suspend(): void {
    if (!this.#isFlooded) this.#pauseMs = PAUSE_MS;
    warn("flooded", { subject: this.subject, pause_s: this.#pauseMs / 1000 });
    this.#subscription?.drain();
    this.#subscription = undefined;
    this.#window = Math.max(2, this.#fitting(PROBATION_BYTES));
    this.#messages = this.#bytes = 0;
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

/** Counts a message. Returns whether many have come just now. */
function isIsolateBusy(): boolean {
  const now = Date.now();
  if (now - isolate.since > BUSY_MS) {
    isolate.messages = 0;
    isolate.since = now;
  }
  isolate.messages += 1;
  return isolate.messages > BUSY_MESSAGES;
}
