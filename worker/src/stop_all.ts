/** Sessions that are stopped at the same time. */
const AT_ONCE = 50;

/** What became of the sessions that were to be stopped; those that did not run stand in neither. */
export interface StoppedAll {
  readonly stopped: readonly string[];
  readonly failed: readonly string[];
}

/** Stops all of them, whatever becomes of each; `stop` tells whether there was something to stop. */
export async function stopAll(
  sessions: readonly string[],
  stop: (session: string) => Promise<boolean>,
): Promise<StoppedAll> {
  const stopped: string[] = [];
  const failed: string[] = [];
  for (let i = 0; i < sessions.length; i += AT_ONCE) {
    const some = sessions.slice(i, i + AT_ONCE);
    const outcomes = await Promise.allSettled(some.map(stop));
    stopped.push(...some.filter((_, n) => isFulfilled(outcomes[n]) && outcomes[n].value));
    failed.push(...some.filter((_, n) => !isFulfilled(outcomes[n])));
  }
  return { stopped, failed };
}

function isFulfilled<T>(outcome: PromiseSettledResult<T> | undefined): outcome is PromiseFulfilledResult<T> {
  return outcome?.status === "fulfilled";
}
