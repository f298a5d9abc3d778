import { isReplySubject } from "../subjects.ts";
import type { Envelope } from "./envelope.ts";

export interface Redirect {
  readonly envelope: Envelope;
  /** The subject on which the new prompt is answered. */
  readonly reply: string;
}

/** Decodes the body of a `redirect` signal; undefined if it is malformed, since a signal has no reply. */
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
