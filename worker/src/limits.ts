import { WorkerError } from "./errors.ts";
import type { Vars } from "./vars.ts";

/** A timer's delay has 31 bits; a larger one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The numeric vars and their defaults. */
export const LIMITS = {
  AGENT_IDLE_LIMIT_S: 28_800,
  AGENT_QUERY_LIMIT_S: 300,
  AGENT_TURN_LIMIT_S: 600,
  AGENT_STEP_LIMIT: 20,
  AGENT_HISTORY_LIMIT: 40,
} as const satisfies Partial<Record<keyof Vars, number>>;

/** The most agents that one hub may serve. */
const MAX_AGENTS_PER_HUB = 500;

/** The cause of a stop by AGENT_IDLE_LIMIT_S. */
export const IDLE = "no prompt came within AGENT_IDLE_LIMIT_S";

/** Agents that share one connection to the bus; 1, the default, for none; undefined if the var is out of range. */
export function validAgentsPerHub({ AGENTS_PER_HUB: text }: Vars): number | undefined {
  const number = isWhole(text || "1") ? Number(text || "1") : 0;
  return number >= 1 && number <= MAX_AGENTS_PER_HUB ? number : undefined;
}

/** The same. Throws WorkerError if the var is out of range. */
export function agentsPerHub(vars: Vars): number {
  const number = validAgentsPerHub(vars);
  if (number !== undefined) return number;
  throw new WorkerError({
    code: "internal",
    message: `the Worker's var AGENTS_PER_HUB is not a number between 1 and ${MAX_AGENTS_PER_HUB}`,
  });
}

/** Throws WorkerError naming the first numeric var that is not a whole number. */
export function checkLimits(vars: Vars): void {
  for (const name of Object.keys(LIMITS)) limit(vars, name as keyof typeof LIMITS);
  agentsPerHub(vars);
}

/** The delay of a timer in milliseconds. 0 seconds mean never: the longest possible delay, 24 days. */
export function timerMs(seconds: number): number {
  return seconds === 0 ? MAX_TIMER_MS : Math.min(seconds * 1000, MAX_TIMER_MS);
}

/** A numeric var, or its default if it is missing or malformed: for agents that are already running. */
export function limitOrDefault(vars: Vars, name: keyof typeof LIMITS): number {
  return isWhole(vars[name]) ? limit(vars, name) : LIMITS[name];
}

/** A numeric var, or its default. Throws WorkerError if the var is not a whole number. */
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
