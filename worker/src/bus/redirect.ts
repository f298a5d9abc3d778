import { isReplySubject } from "../subjects.ts";

export interface Redirect {
  readonly prompt: string;
  readonly reply: string;
}

/** Reads the body of a `redirect` signal; undefined when it is none, for a signal has nobody to complain to. */
export function redirectOf(payload: Uint8Array): Redirect | undefined {
  const value = parsed(payload);
  if (typeof value !== "object" || value === null) return undefined;
  const { prompt, reply } = value as Partial<Record<keyof Redirect, unknown>>;
  if (typeof prompt !== "string" || prompt === "" || !isReplySubject(reply)) return undefined;
  return { prompt, reply };
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    return undefined;
  }
}
