/** Everything that can go wrong, as one tagged union. `message` is one sentence that helps and holds no secret. */
export type Fault =
  | { readonly code: "bad_request"; readonly message: string }
  | { readonly code: "unauthorized"; readonly message: string }
  | { readonly code: "forbidden"; readonly message: string }
  | { readonly code: "not_found"; readonly message: string }
  | { readonly code: "method_not_allowed"; readonly message: string; readonly allow: string }
  | { readonly code: "conflict"; readonly message: string }
  | { readonly code: "too_large"; readonly message: string }
  | { readonly code: "unsupported_media_type"; readonly message: string }
  | { readonly code: "bus_unavailable"; readonly message: string }
  | { readonly code: "overloaded"; readonly message: string }
  | { readonly code: "rate_limited"; readonly message: string; readonly retryAfterS?: number }
  | { readonly code: "missing_key"; readonly message: string }
  | { readonly code: "refused_key"; readonly message: string }
  | { readonly code: "model_timeout"; readonly message: string }
  | { readonly code: "model_error"; readonly message: string }
  | { readonly code: "unanswered"; readonly message: string }
  | { readonly code: "internal"; readonly message: string };

export type FaultCode = Fault["code"];

/** The one error that is thrown on purpose. Anything else that is thrown is a defect: see `faultOf`. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";

  constructor(readonly fault: Fault) {
    super(fault.message);
  }
}

/** `http` answers a route; `bus` is the `Nats-Service-Error-Code`, from the table of the agent protocol's §9.2. */
export interface Codes {
  readonly http: number;
  readonly bus: 400 | 401 | 403 | 404 | 409 | 429 | 500;
}

export function codesOf(code: FaultCode): Codes {
  switch (code) {
    case "bad_request":
      return { http: 400, bus: 400 };
    case "unauthorized":
      return { http: 401, bus: 401 };
    case "forbidden":
      return { http: 403, bus: 403 };
    case "not_found":
      return { http: 404, bus: 404 };
    case "method_not_allowed":
      return { http: 405, bus: 400 };
    case "conflict":
      return { http: 409, bus: 409 };
    case "too_large":
      return { http: 413, bus: 400 };
    case "unsupported_media_type":
      return { http: 415, bus: 400 };
    case "bus_unavailable":
      return { http: 503, bus: 500 };
    case "overloaded":
    case "rate_limited":
      return { http: 429, bus: 429 };
    // The agent's configuration is at fault here, not the caller: 401 and 403 would send the caller looking for a login.
    case "missing_key":
    case "refused_key":
    case "model_error":
    case "internal":
      return { http: 500, bus: 500 };
    case "model_timeout":
    case "unanswered":
      return { http: 504, bus: 500 };
    default:
      return unreachable(code);
  }
}

/** The fault of anything that was thrown. The text of an unknown error may hold a secret, so none of it is kept. */
export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof WorkerError) return thrown.fault;
  return {
    code: "internal",
    message: "something failed in a way that nobody expected; try again, and read the Worker's log",
  };
}

/** Fails to compile where a case of a union was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unhandled case: ${String(value)}`);
}
