import type { Share } from "../budget.ts";
import type { Fault } from "../errors.ts";
import type { Connection, Expectation } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { Keepalives } from "./keepalives.ts";

/** A stream of frames that belong together. */
export interface Stream {
  readonly share: Share;
  /** Ends the stream with an error, because one of its frames cannot be sent. */
  breakOff(fault: Fault): void;
}

interface Held {
  readonly frame: Frame;
  readonly share: Share;
  /** Undefined for the last frames of a stream that was broken off, which are always sent. */
  readonly stream: Stream | undefined;
}

interface Sent {
  readonly size: number;
  readonly stream: Stream;
}

export interface Question {
  readonly subject: string;
  readonly answer: Promise<Uint8Array>;
  /** Why no answer can arrive; undefined if one can. */
  refusal(): Promise<Fault | undefined>;
  /** Stops waiting. */
  forget(): void;
}

interface Waiting {
  deliver(payload: Uint8Array): void;
  forget(): void;
}

/** A question without a connection; the next one will expect its answer. */
const UNSENT: Expectation = { forget: () => undefined, refusal: async () => undefined };

/** The default message limit of nats-server, assumed until there is a connection. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/** Frames from this size on are remembered until the bus has processed them, in bytes. */
const LARGE_BYTES = 16 * 1024;

/**
 * How long answers are held back after a reconnect, in milliseconds. Callers lost their connection too; most clients
 * retry every 2 s, and whatever is published before they subscribe again is lost.
 */
const GRACE_MS = 3_000;

const TOO_LARGE: Fault = {
  code: "internal",
  message:
    "a part of the answer is larger than the bus accepts since its limit was lowered; send the prompt again",
};
const TOO_MUCH: Fault = {
  code: "overloaded",
  message: "too much of the answer had to wait for the bus; send the prompt again",
};

/**
 * Publishes answers. It outlives connections: without one, frames are held back, in order, within the budget of their
 * seat. A frame that cannot be sent ends its own stream and no other.
 */
export class Outbox {
  #connection: Connection | undefined;
  #maxPayload = DEFAULT_MAX_PAYLOAD;
  readonly #held = new Map<Share, Held[]>();
  /** Large frames that the bus may not have processed. */
  readonly #unconfirmed = new Set<Sent>();
  #grace: number | null = null;
  readonly keepalives = new Keepalives();
  readonly #questions = new Map<string, Waiting>();

  constructor(
    /** Called after the held frames of a seat were sent. */
    private readonly released: (share: Share) => void,
  ) {}

  /** The limit of the bus, or the last one known. */
  get maxPayload(): number {
    return this.#connection?.maxPayload ?? this.#maxPayload;
  }

  /** Largest request that an agent accepts, in bytes. */
  get maxRequest(): number {
    return this.#connection?.maxRequest ?? this.#maxPayload;
  }

  /** Publishes through this connection from now on; after a loss, once callers had time to reconnect. */
  attach(connection: Connection, isFirst: boolean): void {
    this.#connection = connection;
    this.#maxPayload = connection.maxPayload;
    for (const [subject, question] of this.#questions) {
      question.forget = connection.expect(subject, question.deliver).forget;
    }
    this.#endGrace();
    if (isFirst) this.release();
    else this.#grace = setTimeout(() => this.release(), GRACE_MS);
    this.#breakOffLost(connection.maxPayload);
  }

  /** The connection is gone; frames wait for the next one. */
  detach(): void {
    this.#endGrace();
    this.#connection = undefined;
  }

  publish(frame: Frame, stream: Stream): void {
    const connection = this.#connection;
    if (this.#grace !== null || !connection?.up) this.#hold({ frame, share: stream.share, stream });
    else if (!this.#send(connection, frame, stream)) stream.breakOff(TOO_LARGE);
  }

  /** Publishes the end of a stream that was broken off. */
  publishLast(frame: Frame, share: Share): void {
    if (this.#grace !== null || !this.#connection?.publish(frame)) {
      this.#hold({ frame, share, stream: undefined });
    }
  }

  /** Publishes the held frames of each seat in order. */
  release(): void {
    this.#endGrace();
    for (const [share, held] of [...this.#held]) {
      if (!this.#connection?.up) return;
      this.#held.delete(share);
      this.#publishHeld(held, this.#connection);
      this.released(share);
    }
  }

  /** Whether frames are held back. */
  get isHolding(): boolean {
    return this.#held.size > 0;
  }

  /** The subjects of a seat's held frames. */
  heldSubjects(share: Share): ReadonlySet<string> {
    return new Set(this.#held.get(share)?.map(({ frame }) => frame.subject));
  }

  /** Resolves once the network has caught up. */
  async drained(): Promise<void> {
    await this.#connection?.drained();
  }

  /** Waits for the first message on a fresh subject. */
  question(): Question {
    // Not nats-core's createInbox, whose subjects can be predicted from an id that discovery shows to everyone.
    const subject = `_INBOX.${crypto.randomUUID()}`;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const deliver = (payload: Uint8Array) => {
      this.#questions.delete(subject);
      resolve(payload);
    };
    const expectation = this.#connection?.up ? this.#connection.expect(subject, deliver) : UNSENT;
    this.#questions.set(subject, { deliver, forget: expectation.forget });
    return { subject, answer: promise, refusal: expectation.refusal, forget: () => this.#forget(subject) };
  }

  #publishHeld(held: readonly Held[], connection: Connection): void {
    const broken = new Set<Stream>();
    for (const { frame, stream } of held) {
      stream?.share.give(frame.size);
      if (stream === undefined) connection.publish(frame);
      else if (!broken.has(stream) && !this.#send(connection, frame, stream)) {
        broken.add(stream);
        stream.breakOff(TOO_LARGE);
      }
    }
  }

  #send(connection: Connection, frame: Frame, stream: Stream): boolean {
    const isSent = connection.publish(frame);
    if (isSent && frame.size >= LARGE_BYTES) void this.#remember({ size: frame.size, stream }, connection);
    return isSent;
  }

  /** A bus whose limit was lowered announces it to new connections only, and closes the others at a frame that is too large. */
  async #remember(sent: Sent, connection: Connection): Promise<void> {
    this.#unconfirmed.add(sent);
    if (await connection.processed()) this.#unconfirmed.delete(sent);
  }

  /** Ends the streams of such frames. What was held back after them would end them as if they were whole. */
  #breakOffLost(maxPayload: number): void {
    const lost = [...this.#unconfirmed].filter(({ size }) => size > maxPayload);
    this.#unconfirmed.clear();
    for (const stream of new Set(lost.map(({ stream }) => stream))) {
      this.#discard(stream);
      stream.breakOff(TOO_LARGE);
    }
  }

  #discard(stream: Stream): void {
    const held = this.#held.get(stream.share) ?? [];
    for (const one of held) if (one.stream === stream) stream.share.give(one.frame.size);
    const others = held.filter((one) => one.stream !== stream);
    if (others.length > 0) this.#held.set(stream.share, others);
    else this.#held.delete(stream.share);
  }

  #hold(one: Held): void {
    if (one.stream && !one.stream.share.take(one.frame.size)) {
      one.stream.breakOff(TOO_MUCH);
      return;
    }
    const held = this.#held.get(one.share);
    if (held) held.push(one);
    else this.#held.set(one.share, [one]);
  }

  #endGrace(): void {
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#grace = null;
  }

  #forget(subject: string): void {
    this.#questions.get(subject)?.forget();
    this.#questions.delete(subject);
  }
}
