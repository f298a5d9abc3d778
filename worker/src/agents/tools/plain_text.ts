import { Parser } from "htmlparser2";

const SKIPPED = new Set(["script", "style", "noscript", "template", "svg"]);
const INLINE = new Set([
  "a",
  "abbr",
  "b",
  "bdi",
  "bdo",
  "cite",
  "code",
  "em",
  "font",
  "i",
  "kbd",
  "mark",
  "q",
  "s",
  "samp",
  "small",
  "span",
  "strong",
  "sub",
  "sup",
  "time",
  "u",
  "var",
  "wbr",
]);

/** What a reader sees of an HTML document: text, one line per block, without scripts and styles. */
export function plainText(html: string): string {
  const parts: string[] = [];
  let skipped = 0;
  const parser = new Parser({
    onopentag(name) {
      if (SKIPPED.has(name)) skipped += 1;
      if (!INLINE.has(name)) parts.push("\n");
    },
    ontext(text) {
      if (skipped === 0) parts.push(text.replace(/\s+/g, " "));
    },
    onclosetag(name) {
      if (SKIPPED.has(name)) skipped -= 1;
      if (!INLINE.has(name)) parts.push("\n");
    },
  });
  parser.end(html);
  return parts
    .join("")
    .replace(/ *\n[ \n]*/g, "\n")
    .trim();
}
