import { CODES, type Fault } from "../errors.ts";
import { beginning, isHighSurrogate } from "../text.ts";

/** One message to publish. It stays text, since all that is sent in one tick is encoded at once. */
export interface Frame {
  readonly subject: string;
  readonly text: string;
  /** As NATS writes them, with their version and the empty line at their end; empty for none. */
  readonly headers: string;
  readonly headersSize: number;
  /** The size of headers and text as the bus counts it, in bytes. */
  readonly size: number;
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
/** Largest JSON encoding of one UTF-16 unit in bytes: an escape such as \u001f. */
const MAX_UNIT_BYTES = 6;
/** Bytes reserved for the JSON around the data of a chunk. */
const WRAPPER_BYTES = 64;
const encoder = new TextEncoder();

export function frameOf(subject: string, text: string, headers = ""): Frame {
  const headersSize = bytesIn(headers);
  return { subject, text, headers, headersSize, size: headersSize + bytesIn(text) };
}

/** The command that publishes a frame, in the protocol of NATS. */
export function commandOf({ subject, text, headers, headersSize, size }: Frame): string {
  if (headers === "") return `PUB ${subject} ${size}\r\n${text}\r\n`;
  return `HPUB ${subject} ${headersSize} ${size}\r\n${headers}${text}\r\n`;
}

function bytesIn(text: string): number {
  return /^[\0-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length;
}

export function chunkFrame(subject: string, type: "response" | "status", data: string): Frame {
  return frameOf(subject, JSON.stringify({ type, data }));
}

export function queryFrame(subject: string, query: Query): Frame {
  return frameOf(subject, JSON.stringify({ type: "query", data: query }));
}

/** Ends every stream, whether it succeeded or failed. */
export function terminator(subject: string): Frame {
  return frameOf(subject, "");
}

export function errorFrame(subject: string, fault: Fault): Frame {
  const line = beginning(fault.message.replaceAll(/\s+/g, " "), MAX_HEADER_CHARS);
  const code = CODES[fault.code].bus;
  const headers = `NATS/1.0\r\nNats-Service-Error-Code: ${code}\r\nNats-Service-Error: ${line}\r\n\r\n`;
  const retry = fault.code === "rate_limited" && fault.retryAfterS !== undefined;
  const body = {
    error: fault.code,
    message: beginning(fault.message, MAX_MESSAGE_CHARS),
    ...(retry && { retry_after_s: fault.retryAfterS }),
  };
  return frameOf(subject, JSON.stringify(body), headers);
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
