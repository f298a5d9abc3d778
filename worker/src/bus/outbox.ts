import type { Fault } from "../errors.ts";
import type { Share } from "./budget.ts";
import type { Connection } from "./connection.ts";
import { type Frame, sizeOf } from "./frames.ts";

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

interface Question {
  deliver(payload: Uint8Array): void;
  forget(): void;
}

/** The default message limit of nats-server, assumed until there is a connection. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/** Bytes that may wait for the network before turns have to wait. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
/** How often the backlog is checked, in milliseconds. */
const BACKLOG_PERIOD_MS = 10;

/**
 * How long answers are held back after a reconnect, in milliseconds. Callers lost their connection too; most clients
 * retry every 2 s, and whatever is published before they subscribe again is lost.
 */
const GRACE_MS = 3_000;

const TOO_LARGE: Fault = {
  code: "internal",
  message:
    "a part of the answer is larger than the bus accepts since it was restarted; send the prompt again",
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
  #grace: number | null = null;
  readonly #questions = new Map<string, Question>();

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
      question.forget = connection.expect(subject, question.deliver);
    }
    this.#endGrace();
    if (isFirst) this.release();
    else this.#grace = setTimeout(() => this.release(), GRACE_MS);
  }

  /** The connection is gone; frames wait for the next one. */
  detach(): void {
    this.#endGrace();
    this.#connection = undefined;
  }

  publish(frame: Frame, stream: Stream): void {
    this.#publish({ frame, share: stream.share, stream });
  }

  /** Publishes the end of a stream that was broken off. */
  publishLast(frame: Frame, share: Share): void {
    this.#publish({ frame, share, stream: undefined });
  }

  /** Publishes the held frames of each seat in order. */
  release(): void {
    this.#endGrace();
    if (!this.#connection?.up) return;
    for (const share of [...this.#held.keys()]) this.#releaseSeat(share);
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
    while (this.#connection?.up && this.#connection.backlog > MAX_BACKLOG_BYTES) {
      await scheduler.wait(BACKLOG_PERIOD_MS);
    }
  }

  /** A fresh subject and the first message on it; `forget` stops waiting. */
  question(): { subject: string; answer: Promise<Uint8Array>; forget: () => void } {
    // Not nats-core's createInbox, whose subjects can be predicted from an id that discovery shows to everyone.
    const subject = `_INBOX.${crypto.randomUUID()}`;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const deliver = (payload: Uint8Array) => {
      this.#questions.delete(subject);
      resolve(payload);
    };
    const forget = this.#connection?.up ? this.#connection.expect(subject, deliver) : () => undefined;
    this.#questions.set(subject, { deliver, forget });
    return { subject, answer: promise, forget: () => this.#forget(subject) };
  }

  #releaseSeat(share: Share): void {
    const held = this.#held.get(share);
    if (held === undefined) return;
    this.#held.delete(share);
    const broken = new Set<Stream>();
    for (const one of held) {
      const { frame, stream } = one;
      stream?.share.give(sizeOf(frame));
      if (stream && broken.has(stream)) continue;
      if (!this.#send(one) && stream) broken.add(stream);
    }
    this.released(share);
  }

  #publish(one: Held): void {
    if (this.#connection?.up && this.#grace === null) this.#send(one);
    else this.#hold(one);
  }

  /** Whether the frame was sent or is waiting; otherwise its stream was ended. */
  #send(one: Held): boolean {
    const connection = this.#connection;
    if (!connection?.up) return this.#hold(one);
    if (one.stream && sizeOf(one.frame) > connection.maxPayload) {
      one.stream.breakOff(TOO_LARGE);
      return false;
    }
    try {
      connection.publish(one.frame);
      return true;
    } catch {
      return this.#hold(one);
    }
  }

  #hold(one: Held): boolean {
    if (one.stream && !one.stream.share.take(sizeOf(one.frame))) {
      one.stream.breakOff(TOO_MUCH);
      return false;
    }
    const held = this.#held.get(one.share);
    if (held) held.push(one);
    else this.#held.set(one.share, [one]);
    return true;
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
