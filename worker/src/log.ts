import { faultOf, UNEXPECTED } from "./errors.ts";

/**
 * What a log line says besides its event: names, codes and counts; never a URL, a header, a prompt, or the text of an
 * error from elsewhere.
 */
export type Detail = Readonly<Record<string, string | number | boolean>>;

/** An error as the log may show it: our own words, or only the class of an unknown one, whose text may contain a secret. */
export function errorDetail(thrown: unknown): Detail {
  const fault = faultOf(thrown);
  const { code, message } = fault;
  return fault === UNEXPECTED && thrown instanceof Error ? { code, error: thrown.name } : { code, message };
}

/** Writes one JSON line. */
export function info(event: string, detail: Detail = {}): void {
  // biome-ignore lint/suspicious/noConsole: the platform collects the console
  console.log(JSON.stringify({ level: "info", event, ...detail }));
}

/** Writes one JSON line. */
export function warn(event: string, detail: Detail = {}): void {
  // biome-ignore lint/suspicious/noConsole: the platform collects the console
  console.warn(JSON.stringify({ level: "warn", event, ...detail }));
}
