import type { Vars } from "./env.ts";
import { WorkerError } from "./errors.ts";

/** A timer holds 31 bits: more would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The numeric vars with their defaults; README.md says what they mean. */
export const LIMITS = {
  AGENT_IDLE_LIMIT_S: 28_800,
  AGENT_QUERY_LIMIT_S: 300,
  AGENT_TURN_LIMIT_S: 600,
  AGENT_STEP_LIMIT: 20,
  AGENT_HISTORY_LIMIT: 40,
} as const satisfies Partial<Record<keyof Vars, number>>;

/** Throws WorkerError naming the first numeric var that is no whole number. */
export function checkLimits(vars: Vars): void {
  for (const name of Object.keys(LIMITS)) limit(vars, name as keyof typeof LIMITS);
}

/** Milliseconds for a timer that ends something after so many seconds, 0 for never: the most that a timer holds, 24 days. */
export function timerMs(seconds: number): number {
  return seconds === 0 ? LONGEST_TIMER_MS : Math.min(seconds * 1000, LONGEST_TIMER_MS);
}

/** For what must go on: a numeric var, or its default where the var is missing or malformed. */
export function limitOrDefault(vars: Vars, name: keyof typeof LIMITS): number {
  return isWhole(vars[name]) ? limit(vars, name) : LIMITS[name];
}

/** A numeric var, or its default. Throws WorkerError where the var is no whole number. */
export function limit(vars: Vars, name: keyof typeof LIMITS): number {
  const text = vars[name];
  if (!text) return LIMITS[name];
  if (!isWhole(text)) {
    throw new WorkerError({ code: "internal", message: `the Worker's var ${name} is not a whole number` });
  }
  return Number(text);
}

function isWhole(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,9}$/.test(text);
}
