import { faultOf, WorkerError } from "./errors.ts";

/**
 * One JSON line per event. Callers hand over names, codes and counts; never a URL, a header, a prompt or the text of
 * an error they did not write.
 */
export type Detail = Readonly<Record<string, string | number | boolean>>;

/** What the log is told of an error: our words; of an unknown one its class alone, for its text may hold a secret. */
export function whatFailed(thrown: unknown): Detail {
  const { code, message } = faultOf(thrown);
  const known = thrown instanceof WorkerError || !(thrown instanceof Error);
  return known ? { code, message } : { code, error: thrown.name };
}

export function info(event: string, detail: Detail = {}): void {
  // biome-ignore lint/suspicious/noConsole: the platform collects the console
  console.log(JSON.stringify({ level: "info", event, ...detail }));
}

export function warn(event: string, detail: Detail = {}): void {
  // biome-ignore lint/suspicious/noConsole: the platform collects the console
  console.warn(JSON.stringify({ level: "warn", event, ...detail }));
}
