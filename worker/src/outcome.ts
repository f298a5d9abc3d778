import { type Fault, faultOf } from "./errors.ts";

/** A result that survives the call of a Durable Object: an exception would arrive there without its fault. */
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
