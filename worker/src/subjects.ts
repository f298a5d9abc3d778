/** The agent's name on the bus, in the third token of its subjects. */
export const AGENT = "open-agent";

/** The two tokens that identify an agent on the bus. */
export interface Identity {
  readonly owner: string;
  readonly session: string;
}

export interface Subjects {
  readonly prompt: string;
  readonly status: string;
  readonly hb: string;
  /** As printed in the handle; what is subscribed to is `signalFilter`. */
  readonly signal: string;
}

export function subjectsOf({ owner, session }: Identity): Subjects {
  const agent = `${AGENT}.${owner}.${session}`;
  return {
    prompt: `agents.prompt.${agent}`,
    status: `agents.status.${agent}`,
    hb: `agents.hb.${agent}`,
    signal: `orch.signal.>.${agent}`,
  };
}

/** The subscription for signals. NATS allows `>` only as the last token, so the verb is a single token: `*`. */
export function signalFilter({ owner, session }: Identity): string {
  return `orch.signal.*.${AGENT}.${owner}.${session}`;
}

/** U+FFFD stands for bytes that are not UTF-8: an answer would go to another subject. */
const REPLY_SUBJECT =
  /^(?!\$|(?:agents|orch)(?:\.|$))[^.*>\p{C}\p{Z}\uFFFD]+(?:\.[^.*>\p{C}\p{Z}\uFFFD]+)*$/u;

/**
 * Whether replies may be published there: a valid subject, and not one of the server, of agents or of their signals. The
 * agent publishes with its own permissions, which its callers must not gain.
 */
export function isReplySubject(text: unknown): text is string {
  return typeof text === "string" && text.length <= 1024 && REPLY_SUBJECT.test(text);
}

/** Longest subject token in UTF-8 bytes: three of them and the prefixes stay well below the server's control line of 4096. */
const MAX_TOKEN_BYTES = 255;

/** Assigned but invisible: Unicode's default-ignorable code points, and others that look like a space. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u2800\u{13441}\u{13442}\u{16FE4}\u{1D159}]/u;

/**
 * Why a text is not a single token of a NATS subject that shows every character, as the end of a sentence; undefined if
 * it is one. The executor applies the same rule to a spec. Sessions that are running keep to `tokenProblem`.
 */
export function newTokenProblem(text: string): string | undefined {
  return tokenProblem(text) ?? (INVISIBLE.test(text) ? "contains an invisible character" : undefined);
}

/** Why a text is not a single token of a NATS subject, as the end of a sentence; undefined if it is one. */
export function tokenProblem(text: string): string | undefined {
  if (text === "") return "is empty";
  if (/[.*>]/.test(text)) return "contains one of . * >";
  if (text.startsWith("$")) return "starts with $";
  if (/[\p{C}\p{Z}]/u.test(text)) return "contains white space or an unprintable character";
  if (new TextEncoder().encode(text).length > MAX_TOKEN_BYTES)
    return `is longer than ${MAX_TOKEN_BYTES} bytes`;
  return undefined;
}
