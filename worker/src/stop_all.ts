/** How many sessions are stopped at the same time: each may wait seconds for a bus that does not answer. */
const CONCURRENCY = 200;

/** What became of the sessions; one that was not running is in neither list. */
export interface StoppedAll {
  readonly stopped: readonly string[];
  readonly failed: readonly string[];
}

/** Stops every session, even if some fail. `stop` returns whether an agent was running. */
export async function stopAll(
  sessions: readonly string[],
  stop: (session: string) => Promise<boolean>,
): Promise<StoppedAll> {
  const stopped: string[] = [];
  const failed: string[] = [];
  for (let i = 0; i < sessions.length; i += CONCURRENCY) {
    const batch = sessions.slice(i, i + CONCURRENCY);
    const outcomes = await Promise.allSettled(batch.map(stop));
    stopped.push(...batch.filter((_, n) => isFulfilled(outcomes[n]) && outcomes[n].value));
    failed.push(...batch.filter((_, n) => !isFulfilled(outcomes[n])));
  }
  return { stopped, failed };
}

function isFulfilled<T>(outcome: PromiseSettledResult<T> | undefined): outcome is PromiseFulfilledResult<T> {
  return outcome?.status === "fulfilled";
}
