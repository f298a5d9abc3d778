import type { Share } from "../budget.ts";
import { type Fault, WorkerError } from "../errors.ts";
import { beginning } from "../text.ts";
import { chunkFrame, errorFrame, type Frame, pieces, type Query, queryFrame, terminator } from "./frames.ts";
import type { Waiting } from "./keepalives.ts";
import type { Outbox, Stream } from "./outbox.ts";

/** Length of an error message that fits every bus on which an agent can register, in characters. */
const BRIEF_CHARS = 60;

const TOO_LARGE: Fault = { code: "internal", message: "the agent sent a chunk larger than the bus carries" };

/** What a stream reports to its opener. */
export interface StreamEvents {
  /** Its prompt was accepted. */
  accepted(): void;
  /** It has ended; `wasAccepted` is false if its prompt was refused. */
  ended(end: StreamEnd, wasAccepted: boolean): void;
}

/** How a stream ended: as it should, because it was interrupted, or with an error. */
export type StreamEnd = "answered" | "aborted" | Fault;

/**
 * One response stream: an ack, chunks, at most one error, and the terminator. With an empty subject, nothing is sent.
 */
export class Reply implements Stream, Waiting {
  #open = true;
  /** Whether a frame was sent since the last beat. */
  #hasSpoken = false;
  #isAccepted = false;
  /** Bytes of the request, which count until it is answered. */
  #reserved = 0;

  constructor(
    private readonly outbox: Outbox,
    readonly subject: string,
    readonly share: Share,
    private readonly events?: StreamEvents,
  ) {}

  get open(): boolean {
    return this.#open;
  }

  /** Whether the stream has a subject. */
  get hasListener(): boolean {
    return this.subject !== "";
  }

  /** Counts a request until it is answered; false if there is no room for it. */
  reserve(bytes: number): boolean {
    if (!this.share.take(bytes)) return false;
    this.#reserved += bytes;
    return true;
  }

  ack(): void {
    this.status("ack");
    this.resume();
    this.events?.accepted();
  }

  /** Continues a stream that was acknowledged before a restart. */
  resume(): void {
    this.#isAccepted = true;
    if (this.#open && this.hasListener) this.outbox.keepalives.add(this);
  }

  response(text: string): void {
    for (const piece of pieces(text, this.outbox.maxPayload)) {
      this.#publish(chunkFrame(this.subject, "response", piece));
    }
  }

  status(data: string): void {
    this.#publish(chunkFrame(this.subject, "status", data));
  }

  beat(): void {
    const wasSilent = !this.#hasSpoken;
    this.#hasSpoken = false;
    if (wasSilent) this.status("alive");
  }

  query(query: Query): void {
    this.#publish(queryFrame(this.subject, query));
  }

  /** Ends the stream of a turn that was interrupted. */
  abort(): void {
    this.status("aborted");
    this.#end("aborted");
  }

  end(): void {
    this.#end("answered");
  }

  /** Ends the stream with an error, whose message is cut if it does not fit the bus. */
  fail(fault: Fault): void {
    this.#publish(this.#errorFrame(fault));
    this.#end(fault);
  }

  /** Ends the stream with an error in place of a frame that cannot be sent, even if the stream's end is held back already. */
  breakOff(fault: Fault): void {
    if (this.#open) this.#close(fault);
    if (!this.hasListener) return;
    this.outbox.publishLast(this.#errorFrame(fault), this.share);
    this.outbox.publishLast(terminator(this.subject), this.share);
  }

  #end(end: StreamEnd): void {
    if (!this.#open) return;
    this.#publish(terminator(this.subject));
    // Without room for it, the outbox has broken the stream off.
    if (this.#open) this.#close(end);
  }

  #errorFrame(fault: Fault): Frame {
    const whole = errorFrame(this.subject, fault);
    if (this.#carries(whole)) return whole;
    return errorFrame(this.subject, { ...fault, message: beginning(fault.message, BRIEF_CHARS) });
  }

  #carries(frame: Frame): boolean {
    return frame.size <= this.outbox.maxPayload;
  }

  #publish(frame: Frame): void {
    if (!this.#open || !this.hasListener) return;
    if (!this.#carries(frame)) throw new WorkerError(TOO_LARGE);
    this.#hasSpoken = true;
    this.outbox.publish(frame, this);
  }

  #close(end: StreamEnd): void {
    this.#open = false;
    this.outbox.keepalives.delete(this);
    this.share.give(this.#reserved);
    this.#reserved = 0;
    this.events?.ended(end, this.#isAccepted);
  }
}
