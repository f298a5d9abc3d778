import { WorkerError } from "../errors.ts";

/** A decoded request. Unknown fields are ignored. */
export interface Envelope {
  readonly prompt: string;
}

/** A byte order mark is kept: echo is exact. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BRACE = 0x7b;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20]);

/** Decodes a request as in §5.3 of the agent protocol. Throws WorkerError `bad_request`. */
export function envelopeOf(payload: Uint8Array, maxBytes: number): Envelope {
  if (payload.length === 0) throw bad("the request is empty; send a prompt");
  if (payload.length > maxBytes) throw bad(`the request is larger than max_payload, ${maxBytes} bytes`);
  const text = textOf(payload);
  const first = payload.find((byte) => !WHITE_SPACE.has(byte));
  return first === BRACE ? fromJson(text) : { prompt: text };
}

function textOf(payload: Uint8Array): string {
  try {
    return decoder.decode(payload);
  } catch {
    throw bad("the request is not UTF-8");
  }
}

function fromJson(text: string): Envelope {
  const { prompt, attachments } = objectOf(text);
  if (typeof prompt !== "string") throw bad("the envelope has no prompt string");
  if (prompt === "") throw bad("the prompt is empty");
  // Go writes an empty list as null.
  const list = attachments ?? [];
  if (!Array.isArray(list)) throw bad("attachments is not an array");
  if (list.length > 0) throw bad("this agent accepts no attachments (attachments_ok is false)");
  return { prompt };
}

/** The text starts with a brace, so valid JSON is an object. */
function objectOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw bad("the request starts with { but is not valid JSON");
  }
}

function bad(message: string): WorkerError {
  return new WorkerError({ code: "bad_request", message });
}
