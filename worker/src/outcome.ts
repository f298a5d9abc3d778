import { type Fault, faultOf, WorkerError } from "./errors.ts";

/** The result of a remote call. An exception would lose its fault in the call. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

export async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (thrown) {
    return { ok: false, fault: faultOf(thrown) };
  }
}

/** The value of an outcome. Throws WorkerError with its fault. */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new WorkerError(outcome.fault);
}
