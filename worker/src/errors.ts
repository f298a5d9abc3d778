/** The codes of a fault: `http` is a response's status, `bus` the `Nats-Service-Error-Code` of the protocol's §9.2. */
interface Codes {
  readonly http: number;
  readonly bus: 400 | 401 | 403 | 404 | 409 | 429 | 500;
}

/**
 * All faults. A missing or refused key is a fault of the agent's configuration, so it is 500: 401 or 403 would suggest
 * that the caller must log in.
 */
export const CODES = {
  bad_request: { http: 400, bus: 400 },
  unauthorized: { http: 401, bus: 401 },
  forbidden: { http: 403, bus: 403 },
  not_found: { http: 404, bus: 404 },
  method_not_allowed: { http: 405, bus: 400 },
  conflict: { http: 409, bus: 409 },
  too_large: { http: 413, bus: 400 },
  unsupported_media_type: { http: 415, bus: 400 },
  overloaded: { http: 429, bus: 429 },
  rate_limited: { http: 429, bus: 429 },
  missing_key: { http: 500, bus: 500 },
  refused_key: { http: 500, bus: 500 },
  model_error: { http: 500, bus: 500 },
  internal: { http: 500, bus: 500 },
  bus_unavailable: { http: 503, bus: 500 },
  model_timeout: { http: 504, bus: 500 },
  unanswered: { http: 504, bus: 500 },
} as const satisfies Record<string, Codes>;

export type FaultCode = keyof typeof CODES;

/** A fault of one kind. `message` is one sentence that says what to do, and contains no secret. */
export interface Fault {
  readonly code: FaultCode;
  readonly message: string;
  /** With `rate_limited`: seconds until another attempt is worthwhile. */
  readonly retryAfterS?: number;
  /** With `method_not_allowed`: the allowed methods. */
  readonly allow?: string;
}

/** The error at the end of a stream whose turn was lost. */
export const CUT_OFF: Fault = {
  code: "internal",
  message: "the agent was restarted while it was answering; send the prompt again",
};

/** Why a turn ended that was interrupted, redirected or aborted. */
export const INTERRUPTED: Fault = { code: "conflict", message: "the turn was interrupted" };

/** The only error that is thrown on purpose. Anything else is a defect; see `faultOf`. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";

  constructor(readonly fault: Fault) {
    super(fault.message);
  }
}

export function badRequest(message: string): WorkerError {
  return new WorkerError({ code: "bad_request", message });
}

/** The fault behind any error that is not known. */
export const UNEXPECTED: Fault = {
  code: "internal",
  message: "an unexpected error occurred; try again, and check the Worker's log",
};
/** The platform drops an object whose data it cannot write. */
const NO_ROOM: Fault = {
  code: "internal",
  message:
    "the storage of the Worker's Durable Objects is full; make room or raise its limit, then try again",
};

/** The fault behind anything that was thrown. The text of an unknown error may contain a secret, so it is dropped. */
export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof WorkerError) return thrown.fault;
  return thrown instanceof Error && thrown.message.includes("SQLITE_FULL") ? NO_ROOM : UNEXPECTED;
}

/** Does not compile if a case of a union is missing. */
export function unreachable(value: never): never {
  throw new Error(`unhandled case: ${String(value)}`);
}
