import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { CODES, type Fault } from "../errors.ts";
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
const MAX_HEADER_CHARS = 200;
/** Longest message in the body of an error, in characters: it may quote the name of a model. */
const MAX_MESSAGE_CHARS = 600;
/** Largest headers of an error, in bytes; they count towards the limit of the bus. */
const MAX_HEADERS_BYTES = 64 + 3 * MAX_HEADER_CHARS;
/** Largest JSON encoding of one UTF-16 unit in bytes: an escape such as \u001f. */
const MAX_UNIT_BYTES = 6;
/** Bytes reserved for the JSON around the data of a chunk. */
const WRAPPER_BYTES = 64;

const encoder = new TextEncoder();

/** The size of a frame as the bus counts it: an upper bound, in bytes. */
export function sizeOf({ data, headers: head }: Frame): number {
  return data.length + (head === undefined ? 0 : MAX_HEADERS_BYTES);
}

export function chunkFrame(subject: string, type: "response" | "status", data: string): Frame {
  return { subject, data: encoder.encode(JSON.stringify({ type, data })) };
}

export function queryFrame(subject: string, query: Query): Frame {
  return { subject, data: encoder.encode(JSON.stringify({ type: "query", data: query })) };
}

/** Ends every stream, whether it succeeded or failed. */
export function terminator(subject: string): Frame {
  return { subject, data: new Uint8Array(0) };
}

export function errorFrame(subject: string, fault: Fault): Frame {
  const head = headers();
  head.set("Nats-Service-Error-Code", String(CODES[fault.code].bus));
  head.set("Nats-Service-Error", beginning(fault.message.replaceAll(/\s+/g, " "), MAX_HEADER_CHARS));
  const retry = fault.code === "rate_limited" && fault.retryAfterS !== undefined;
  const body = {
    error: fault.code,
    message: beginning(fault.message, MAX_MESSAGE_CHARS),
    ...(retry && { retry_after_s: fault.retryAfterS }),
  };
  return { subject, data: encoder.encode(JSON.stringify(body)), headers: head };
}

/** Splits a text into pieces that each fit into one message of the bus, never inside a surrogate pair. */
export function* pieces(text: string, maxPayload: number): Generator<string> {
  const limit = Math.max(2, Math.floor((maxPayload - WRAPPER_BYTES) / MAX_UNIT_BYTES));
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + limit, text.length);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}
