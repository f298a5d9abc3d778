/**
 * The result of work whose signal also aborts after a time limit in milliseconds. Nothing is left behind by it, unlike by
 * `AbortSignal.timeout`: its timer cannot be cleared, and an object with a timer is kept in memory and billed.
 */
export async function withTimeLimit<T>(
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DOMException("time limit", "TimeoutError")), limitMs);
  try {
    return await work(AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}
