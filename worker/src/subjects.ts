/** The agent's name on the bus, in the third token of its subjects. */
export const AGENT = "open-agent";

/** The two tokens that tell one open-agent from another. */
export interface Identity {
  readonly owner: string;
  readonly session: string;
}

export interface Subjects {
  readonly prompt: string;
  readonly status: string;
  readonly hb: string;
  /** As the handle prints it; see `signalFilter` for what is subscribed. */
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

/** NATS allows `>` only as the last token, so the verb of a signal is one token: `*`. */
export function signalFilter({ owner, session }: Identity): string {
  return `orch.signal.*.${AGENT}.${owner}.${session}`;
}

/** Whether an agent may answer there: a subject to publish on, outside the server's own `$` space. */
export function isReplySubject(text: unknown): text is string {
  if (typeof text !== "string" || text.length > 1024 || text.startsWith("$")) return false;
  return text.split(".").every((token) => token !== "" && !/[*>\p{C}\p{Z}]/u.test(token));
}
