const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
] as const;

const numbers = new Intl.NumberFormat("en");
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function count(number: number): string {
  return numbers.format(number);
}

/** How long ago a time was, by its largest unit. */
export function ago(time: string, now: number): string {
  const seconds = (now - Date.parse(time)) / 1_000;
  const unit = UNITS.find(([length]) => seconds >= length);
  return unit === undefined ? "just now" : `${Math.floor(seconds / unit[0])} ${unit[1]} ago`;
}

/** A time as the user writes it, in the user's zone. */
export function moment(time: string): string {
  return moments.format(new Date(time));
}
