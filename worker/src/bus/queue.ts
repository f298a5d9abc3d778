import { Cancellation } from "../cancellation.ts";
import { type Fault, faultOf, INTERRUPTED, WorkerError } from "../errors.ts";
import type { Reply } from "./reply.ts";
import type { OpenStream } from "./turns.ts";

/** How many prompts may wait behind the one being answered. */
const QUEUE_LIMIT = 16;

const CROWDED: Fault = {
  code: "overloaded",
  message: `${QUEUE_LIMIT} prompts are already waiting for this agent; try again later`,
};

export interface Job {
  /** The id of its turn. */
  readonly id: string;
  /** Undefined for a turn that is running already. */
  readonly prompt: string | undefined;
  readonly reply: Reply;
}

/** Answers one job. What it throws becomes the error frame of its stream. */
type Answer = (job: Job, cancellation: Cancellation) => Promise<void>;

interface Running {
  readonly job: Job;
  readonly cancellation: Cancellation;
}

/** Runs prompts one at a time, in order of arrival. */
export class PromptQueue {
  #running: Running | undefined;
  #waiting: Job[] = [];

  constructor(
    private readonly answer: Answer,
    /** Called after a stream was opened or ended. */
    private readonly changed: () => void,
  ) {}

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** The streams that are acknowledged and not ended. */
  get openStreams(): OpenStream[] {
    const running = this.#running?.job;
    return [
      ...(running ? [{ subject: running.reply.subject, turn: running.id }] : []),
      ...this.#waiting.map(({ reply }) => ({ subject: reply.subject })),
    ];
  }

  /** Acknowledges a job and queues it; refuses it if too many are waiting. */
  submit(job: Job): void {
    if (this.#waiting.length >= QUEUE_LIMIT) {
      job.reply.fail(CROWDED);
      return;
    }
    job.reply.ack();
    this.#waiting.push(job);
    this.#next();
    this.changed();
  }

  /** Continues a job that was acknowledged before a restart. */
  resume(job: Job): void {
    job.reply.resume();
    this.#waiting.unshift(job);
    this.#next();
    this.changed();
  }

  /** Ends the current turn, if there is one. */
  interrupt(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#cancel(running);
    this.#next();
    this.changed();
  }

  /** Ends the current turn and runs this job next. */
  redirect(job: Job): void {
    // The old stream ends first: both may use the same subject.
    if (this.#running !== undefined) this.#cancel(this.#running);
    job.reply.ack();
    this.#waiting.unshift(job);
    this.#next();
    this.changed();
  }

  /** Ends the current turn and the streams of all waiting prompts. */
  stop(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#running !== undefined) this.#cancel(this.#running);
    for (const { reply } of waiting) reply.abort();
    this.changed();
  }

  #cancel(running: Running): void {
    this.#running = undefined;
    running.cancellation.cancel(new WorkerError(INTERRUPTED));
    running.job.reply.abort();
  }

  #next(): void {
    if (this.#running !== undefined) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running = { job, cancellation: new Cancellation() };
    void this.#run(this.#running);
  }

  /** The stream of a cancelled turn has already ended, however long its agent takes to notice. */
  async #run(running: Running): Promise<void> {
    try {
      await this.answer(running.job, running.cancellation);
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
