import { badRequest } from "../errors.ts";
import { utf8 } from "../text.ts";

/** A decoded request. Unknown fields are ignored. */
export interface Envelope {
  readonly prompt: string;
}

const BRACE = 0x7b;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20]);

/** Decodes a request as in §5.3 of the agent protocol. Throws WorkerError `bad_request`. */
export function envelopeOf(payload: Uint8Array, maxBytes: number): Envelope {
  if (payload.length === 0) throw badRequest("the request is empty; send a prompt");
  if (payload.length > maxBytes)
    throw badRequest(`the request is larger than max_payload, ${maxBytes} bytes`);
  const text = textOf(payload);
  const first = payload.find((byte) => !WHITE_SPACE.has(byte));
  return first === BRACE ? fromJson(text) : { prompt: text };
}

function textOf(payload: Uint8Array): string {
  try {
    return utf8(payload);
  } catch {
    throw badRequest("the request is not UTF-8");
  }
}

function fromJson(text: string): Envelope {
  const { prompt, attachments } = objectOf(text);
  if (typeof prompt !== "string") throw badRequest("the envelope has no prompt string");
  if (prompt === "") throw badRequest("the prompt is empty");
  // Go writes an empty list as null.
  const list = attachments ?? [];
  if (!Array.isArray(list)) throw badRequest("attachments is not an array");
  if (list.length > 0) throw badRequest("this agent accepts no attachments (attachments_ok is false)");
  return { prompt };
}

/** The text starts with a brace, so valid JSON is an object. */
function objectOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw badRequest("the request starts with { but is not valid JSON");
  }
}
