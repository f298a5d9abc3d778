/**
 * What an agent has done since its start. The object that has the agent's seat on the bus counts, and saves the counters
 * together with the streams that are still open. Times are in milliseconds since 1970.
 */
export interface Tally {
  readonly startedAt: number;
  /** When a prompt last arrived or a turn last ended. */
  activeAt: number;
  /** When a prompt was last accepted. */
  lastPromptAt?: number;
  /** Prompts whose stream ended without an error. */
  answered: number;
  /** Prompts that were accepted, and whose stream ended with an error or was cut off. */
  failed: number;
  inputTokens: number;
  outputTokens: number;
}

/** Tokens as a provider counts them. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The counters as the routes show them. */
export interface Numbers {
  readonly started_at: string;
  readonly last_prompt_at?: string;
  readonly answered: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

export function newTally(startedAt: number): Tally {
  return { startedAt, activeAt: startedAt, answered: 0, failed: 0, inputTokens: 0, outputTokens: 0 };
}

/** Adds tokens to the counters. */
export function addUsage(tally: Tally, { inputTokens, outputTokens }: Usage): void {
  tally.inputTokens += inputTokens;
  tally.outputTokens += outputTokens;
}

/** The newest of several copies of a tally, whose counters only grow. */
export function latest(first: Tally, ...others: readonly (Tally | undefined)[]): Tally {
  return others.reduce<Tally>((best, other) => (other && isLater(other, best) ? other : best), first);
}

function isLater(a: Tally, b: Tally): boolean {
  if (a.startedAt !== b.startedAt) return a.startedAt > b.startedAt;
  const count = ({ answered, failed, inputTokens, outputTokens }: Tally) =>
    answered + failed + inputTokens + outputTokens;
  return count(a) === count(b) ? a.activeAt > b.activeAt : count(a) > count(b);
}

export function numbersOf({ startedAt, lastPromptAt, ...tally }: Tally): Numbers {
  return {
    started_at: timeOf(startedAt),
    ...(lastPromptAt !== undefined && { last_prompt_at: timeOf(lastPromptAt) }),
    answered: tally.answered,
    failed: tally.failed,
    input_tokens: tally.inputTokens,
    output_tokens: tally.outputTokens,
  };
}

/** The counters behind what a route has shown. */
export function tallyOf({ started_at, last_prompt_at, ...numbers }: Numbers): Tally {
  const lastPromptAt = last_prompt_at === undefined ? undefined : Date.parse(last_prompt_at);
  const startedAt = Date.parse(started_at);
  return {
    startedAt,
    activeAt: lastPromptAt ?? startedAt,
    ...(lastPromptAt !== undefined && { lastPromptAt }),
    answered: numbers.answered,
    failed: numbers.failed,
    inputTokens: numbers.input_tokens,
    outputTokens: numbers.output_tokens,
  };
}

/** A time as RFC 3339. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
