import { isReplySubject } from "../subjects.ts";
import type { Envelope } from "./envelope.ts";

export interface Redirect {
  readonly envelope: Envelope;
  /** Where the new prompt is answered. */
  readonly reply: string;
}

/** Reads the body of a `redirect` signal; undefined when it is none, for a signal has nobody to complain to. */
export function redirectOf(payload: Uint8Array): Redirect | undefined {
  const value = parsed(payload);
  if (typeof value !== "object" || value === null) return undefined;
  const { prompt, reply } = value as Readonly<Record<string, unknown>>;
  if (typeof prompt !== "string" || prompt === "" || !isReplySubject(reply)) return undefined;
  return { envelope: { prompt }, reply };
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    return undefined;
  }
}
