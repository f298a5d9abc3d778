import { isReplySubject } from "../subjects.ts";
import { utf8 } from "../text.ts";
import type { Envelope } from "./envelope.ts";

export interface Redirect {
  readonly envelope: Envelope;
  /** The subject for the answer to the new prompt; empty if no answer is wanted. */
  readonly reply: string;
}

/** Decodes the body of a `redirect` signal, or returns what is wrong with it, since a signal has no reply subject. */
export function redirectOf(payload: Uint8Array): Redirect | string {
  const value = parsed(payload);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "it is not a JSON object";
  const { prompt, reply } = value as Readonly<Record<string, unknown>>;
  if (typeof prompt !== "string" || prompt === "") return "it has no prompt";
  if (reply === undefined || reply === null || reply === "") return { envelope: { prompt }, reply: "" };
  if (!isReplySubject(reply)) return "its reply is not a subject that an agent may answer on";
  return { envelope: { prompt }, reply };
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8(payload));
  } catch {
    return undefined;
  }
}
