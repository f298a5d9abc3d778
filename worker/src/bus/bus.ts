import { createInbox } from "@nats-io/nats-core";
import type { Frame } from "./frames.ts";
import type { Link } from "./link.ts";

interface Question {
  deliver(payload: Uint8Array): void;
  forget(): void;
}

/** The default message limit of nats-server, until a link says otherwise. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/**
 * Milliseconds for which answers are held back once a lost connection is there again: callers lost theirs too, most
 * clients try every 2 s, and what arrives before they listen again is gone.
 */
const GRACE_MS = 3_000;

/**
 * What answers are published through. It outlives a link: while there is none, or its connection is lost, frames are
 * held back, because nats-core forgets what it buffered when it dials again.
 */
export class Bus {
  #link: Link | undefined;
  #held: Frame[] = [];
  #grace: number | null = null;
  readonly #questions = new Map<string, Question>();

  get link(): Link | undefined {
    return this.#link;
  }

  get maxPayload(): number {
    return this.#link?.maxPayload ?? DEFAULT_MAX_PAYLOAD;
  }

  attach(link: Link): void {
    this.#link = link;
    for (const [subject, question] of this.#questions)
      question.forget = link.expect(subject, question.deliver);
    this.release();
  }

  /** The connection was lost and is there again. */
  restored(): void {
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#grace = setTimeout(() => this.release(), GRACE_MS);
  }

  detach(): Link | undefined {
    this.release();
    const link = this.#link;
    this.#link = undefined;
    return link;
  }

  publish(frame: Frame): void {
    if (this.#link?.up && this.#grace === null) this.#link.publish(frame);
    else this.#held.push(frame);
  }

  /** Publishes what was held back, in order. */
  release(): void {
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#grace = null;
    const held = this.#held;
    this.#held = [];
    for (const frame of held) this.publish(frame);
  }

  /** A fresh subject and the one message on it; `forget` ends the waiting. */
  question(): { subject: string; answer: Promise<Uint8Array>; forget: () => void } {
    const subject = createInbox();
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const deliver = (payload: Uint8Array) => {
      this.#questions.delete(subject);
      resolve(payload);
    };
    const forget = this.#link?.expect(subject, deliver) ?? (() => undefined);
    this.#questions.set(subject, { deliver, forget });
    return { subject, answer: promise, forget: () => this.#forget(subject) };
  }

  #forget(subject: string): void {
    this.#questions.get(subject)?.forget();
    this.#questions.delete(subject);
  }
}
