import type { Connection } from "./connection.ts";
import type { Frame } from "./frames.ts";

interface Question {
  deliver(payload: Uint8Array): void;
  forget(): void;
}

/** The default message limit of nats-server, assumed until there is a connection. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/**
 * How long answers are held back after a reconnect, in milliseconds. Callers lost their connection too; most clients
 * retry every 2 s, and whatever is published before they subscribe again is lost.
 */
const GRACE_MS = 3_000;

/**
 * Publishes answers. It outlives connections: while there is none, or it is down, frames are held back, because
 * nats-core drops its buffer when it reconnects.
 */
export class Outbox {
  #connection: Connection | undefined;
  #held: Frame[] = [];
  #grace: number | null = null;
  /** A connection was lost and has not been replaced yet. */
  #lost = false;
  readonly #questions = new Map<string, Question>();

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get maxPayload(): number {
    return this.#connection?.maxPayload ?? DEFAULT_MAX_PAYLOAD;
  }

  attach(connection: Connection): void {
    this.#connection = connection;
    for (const [subject, question] of this.#questions)
      question.forget = connection.expect(subject, question.deliver);
    if (this.#lost) this.restored();
    else this.release();
    this.#lost = false;
  }

  /** Drops a connection that no longer answers; frames wait for the next one. */
  lose(): void {
    if (this.#connection === undefined) return;
    this.#endGrace();
    this.#connection.drop();
    this.#connection = undefined;
    this.#lost = true;
  }

  /** The connection came back after it was lost. */
  restored(): void {
    this.#endGrace();
    this.#grace = setTimeout(() => this.release(), GRACE_MS);
  }

  /** Publishes what was held back, then returns the connection and forgets it. */
  detach(): Connection | undefined {
    this.release();
    this.#lost = false;
    const connection = this.#connection;
    this.#connection = undefined;
    return connection;
  }

  publish(frame: Frame): void {
    if (this.#connection?.up && this.#grace === null) this.#connection.publish(frame);
    else this.#held.push(frame);
  }

  /** Publishes what was held back, in order. */
  release(): void {
    this.#endGrace();
    const held = this.#held;
    this.#held = [];
    for (const frame of held) this.publish(frame);
  }

  /** A fresh subject and the first message on it; `forget` stops waiting. */
  question(): { subject: string; answer: Promise<Uint8Array>; forget: () => void } {
    // Not nats-core's createInbox: its subjects continue from an id that discovery shows to everybody.
    const subject = `_INBOX.${crypto.randomUUID()}`;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const deliver = (payload: Uint8Array) => {
      this.#questions.delete(subject);
      resolve(payload);
    };
    const forget = this.#connection?.expect(subject, deliver) ?? (() => undefined);
    this.#questions.set(subject, { deliver, forget });
    return { subject, answer: promise, forget: () => this.#forget(subject) };
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
