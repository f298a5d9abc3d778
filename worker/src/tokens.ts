/** Longest subject token in UTF-8 bytes: three of them and the prefixes stay far below the server's control line of 4096. */
const LONGEST = 255;

/**
 * What keeps a text from being one token of a NATS subject, as the end of a sentence; undefined when nothing does.
 * The executor applies the same rule.
 */
export function tokenProblem(text: string): string | undefined {
  if (text === "") return "is empty";
  if (/[.*>]/.test(text)) return "holds one of . * >";
  if (text.startsWith("$")) return "starts with $";
  if (/[\p{C}\p{Z}]/u.test(text)) return "holds white space or an unprintable character";
  if (new TextEncoder().encode(text).length > LONGEST) return `is longer than ${LONGEST} bytes`;
  return undefined;
}
