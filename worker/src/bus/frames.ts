import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { codesOf, type Fault } from "../errors.ts";
import { beginning, isHighSurrogate } from "../text.ts";

/** One message to publish. */
export interface Frame {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs;
}

export interface Query {
  readonly id: string;
  readonly reply_subject: string;
  readonly prompt: string;
}

/** Longest `Nats-Service-Error`, in characters. */
const LONGEST_HEADER = 200;
/** Longest message of an error in its body, in characters: a model's name may be part of it. */
const LONGEST_MESSAGE = 600;
/** The most bytes that the headers of an error take; the bus counts them in. */
const HEADERS = 64 + 3 * LONGEST_HEADER;
/** The most bytes that one UTF-16 unit takes as JSON: an escape such as \u001f. */
const WORST_UNIT = 6;
/** Room for the wrapper around the data of a chunk. */
const WRAPPER = 64;

const encoder = new TextEncoder();

/** Bytes that the bus counts, at most. */
export function sizeOf({ data, headers: head }: Frame): number {
  return data.length + (head === undefined ? 0 : HEADERS);
}

export function chunkFrame(subject: string, type: "response" | "status", data: string): Frame {
  return { subject, data: encoder.encode(JSON.stringify({ type, data })) };
}

export function queryFrame(subject: string, query: Query): Frame {
  return { subject, data: encoder.encode(JSON.stringify({ type: "query", data: query })) };
}

/** Ends a stream, a good one and a failed one alike. */
export function terminator(subject: string): Frame {
  return { subject, data: new Uint8Array(0) };
}

export function errorFrame(subject: string, fault: Fault): Frame {
  const head = headers();
  head.set("Nats-Service-Error-Code", String(codesOf(fault.code).bus));
  head.set("Nats-Service-Error", beginning(fault.message.replaceAll(/\s+/g, " "), LONGEST_HEADER));
  const retry = fault.code === "rate_limited" && fault.retryAfterS !== undefined;
  const body = {
    error: fault.code,
    message: beginning(fault.message, LONGEST_MESSAGE),
    ...(retry && { retry_after_s: fault.retryAfterS }),
  };
  return { subject, data: encoder.encode(JSON.stringify(body)), headers: head };
}

/** Cuts a text so that each piece fits into one chunk of the bus, never through a surrogate pair. */
export function* pieces(text: string, maxPayload: number): Generator<string> {
  const most = Math.max(2, Math.floor((maxPayload - WRAPPER) / WORST_UNIT));
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + most, text.length);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}
