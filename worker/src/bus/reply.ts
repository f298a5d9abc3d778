import { type Fault, WorkerError } from "../errors.ts";
import { beginning } from "../text.ts";
import {
  chunkFrame,
  errorFrame,
  type Frame,
  pieces,
  type Query,
  queryFrame,
  sizeOf,
  terminator,
} from "./frames.ts";
import type { Outbox } from "./outbox.ts";

/** Callers give up after 60 s without a chunk; a silent stream sends a sign of life this often, in milliseconds. */
const KEEPALIVE_MS = 20_000;
/** Length of an error message that fits every bus on which an agent can register, in characters. */
const BRIEF_CHARS = 60;

const TOO_LARGE: Fault = { code: "internal", message: "the agent sent a chunk larger than the bus carries" };

/** One response stream: an ack, chunks, at most one error, the terminator, and nothing after it. */
export class Reply {
  #open = true;
  #silent = true;
  #keepalive: number | null = null;

  constructor(
    private readonly outbox: Outbox,
    readonly subject: string,
  ) {}

  get open(): boolean {
    return this.#open;
  }

  ack(): void {
    this.status("ack");
    this.#keepalive = setInterval(() => this.#stayAlive(), KEEPALIVE_MS);
  }

  response(text: string): void {
    for (const piece of pieces(text, this.outbox.maxPayload)) {
      this.#publish(chunkFrame(this.subject, "response", piece));
    }
  }

  /** Whether a status with this data fits into one message. */
  carries(data: string): boolean {
    return this.#carries(chunkFrame(this.subject, "status", data));
  }

  status(data: string): void {
    this.#publish(chunkFrame(this.subject, "status", data));
  }

  query(query: Query): void {
    this.#publish(queryFrame(this.subject, query));
  }

  /** Ends the stream of a turn that was interrupted. */
  abort(): void {
    this.status("aborted");
    this.end();
  }

  end(): void {
    if (!this.#open) return;
    this.#publish(terminator(this.subject));
    this.#open = false;
    clearInterval(this.#keepalive);
  }

  /** Ends the stream with an error, whose message is cut if it does not fit the bus. */
  fail(fault: Fault): void {
    const whole = errorFrame(this.subject, fault);
    const brief = { ...fault, message: beginning(fault.message, BRIEF_CHARS) };
    this.#publish(this.#carries(whole) ? whole : errorFrame(this.subject, brief));
    this.end();
  }

  #carries(frame: Frame): boolean {
    return sizeOf(frame) <= this.outbox.maxPayload;
  }

  #publish(frame: Frame): void {
    if (!this.#open) return;
    if (!this.#carries(frame)) throw new WorkerError(TOO_LARGE);
    this.#silent = false;
    this.outbox.publish(frame);
  }

  #stayAlive(): void {
    if (this.#silent) this.status("alive");
    this.#silent = true;
  }
}
