import { faultOf, WorkerError } from "../errors.ts";
import type { Envelope } from "./envelope.ts";
import type { Reply } from "./reply.ts";

/** Prompts that may wait behind the one being answered. */
export const QUEUE_LIMIT = 16;

export interface Job {
  readonly envelope: Envelope;
  readonly reply: Reply;
}

/** Answers one job; what it throws becomes the error frame of the stream. */
export type Answer = (job: Job, signal: AbortSignal) => Promise<void>;

interface Running {
  readonly job: Job;
  readonly abort: AbortController;
}

/** Runs prompts one at a time, in the order in which they arrived. */
export class Turns {
  #running: Running | undefined;
  #waiting: Job[] = [];

  constructor(
    private readonly answer: Answer,
    /** Called when a stream was opened or ended. */
    private readonly changed: () => void,
  ) {}

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Reply subjects of the streams that were acknowledged and not ended. */
  get openStreams(): string[] {
    return [...(this.#running ? [this.#running.job] : []), ...this.#waiting].map((job) => job.reply.subject);
  }

  /** Acknowledges a job and runs it after those before it; refuses it when too many wait. */
  submit(job: Job): void {
    if (this.#waiting.length >= QUEUE_LIMIT) {
      job.reply.fail({
        code: "overloaded",
        message: `${QUEUE_LIMIT} prompts already wait for this agent; try again later`,
      });
      return;
    }
    job.reply.ack();
    this.#waiting.push(job);
    this.#next();
    this.changed();
  }

  /** Ends the turn in flight; without one, does nothing. */
  interrupt(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#cancel(running);
    this.#next();
    this.changed();
  }

  /** Ends the turn in flight and runs this job before those that wait. */
  redirect(job: Job): void {
    // The old stream ends first: both may be on one subject.
    if (this.#running !== undefined) this.#cancel(this.#running);
    job.reply.ack();
    this.#waiting.unshift(job);
    this.#next();
    this.changed();
  }

  /** Ends the turn in flight and the streams of all that wait. */
  stop(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#running !== undefined) this.#cancel(this.#running);
    for (const { reply } of waiting) reply.abort();
    this.changed();
  }

  #cancel(running: Running): void {
    this.#running = undefined;
    running.abort.abort(new WorkerError({ code: "conflict", message: "the turn was interrupted" }));
    running.job.reply.abort();
  }

  #next(): void {
    if (this.#running !== undefined) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running = { job, abort: new AbortController() };
    void this.#run(this.#running);
  }

  /** A turn that was cancelled has ended its stream already, however long its agent takes to notice. */
  async #run(running: Running): Promise<void> {
    try {
      await this.answer(running.job, running.abort.signal);
      running.job.reply.end();
    } catch (thrown) {
      running.job.reply.fail(faultOf(thrown));
    }
    if (this.#running !== running) return;
    this.#running = undefined;
    this.#next();
    this.changed();
  }
}
