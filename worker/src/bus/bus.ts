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
  /** A link was lost, and no other took its place yet. */
  #lost = false;
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
    if (this.#lost) this.restored();
    else this.release();
    this.#lost = false;
  }

  /** Lets go of a link that no longer answers; what is published waits for the next one. */
  lose(): void {
    if (this.#link === undefined) return;
    this.#endGrace();
    this.#link.drop();
    this.#link = undefined;
    this.#lost = true;
  }

  /** The connection was lost and is there again. */
  restored(): void {
    this.#endGrace();
    this.#grace = setTimeout(() => this.release(), GRACE_MS);
  }

  /** Takes the link away, for good, after what was held back has gone out on it. */
  detach(): Link | undefined {
    this.release();
    this.#lost = false;
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
    this.#endGrace();
    const held = this.#held;
    this.#held = [];
    for (const frame of held) this.publish(frame);
  }

  /** A fresh subject and the one message on it; `forget` ends the waiting. */
  question(): { subject: string; answer: Promise<Uint8Array>; forget: () => void } {
    // Not nats-core's createInbox: it counts on from an id that discovery shows to everybody.
    const subject = `_INBOX.${crypto.randomUUID()}`;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const deliver = (payload: Uint8Array) => {
      this.#questions.delete(subject);
      resolve(payload);
    };
    const forget = this.#link?.expect(subject, deliver) ?? (() => undefined);
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
