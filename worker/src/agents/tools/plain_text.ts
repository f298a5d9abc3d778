import { Tokenizer, type TokenizerCallbacks } from "htmlparser2";

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

/** The visible text of an HTML document, one line per block, without scripts and styles. */
export function plainText(html: string): string {
  const reader = new Reader(html);
  const tokenizer = new Tokenizer({}, reader);
  tokenizer.write(html);
  tokenizer.end();
  return reader.lines.join("\n");
}

/**
 * Reads the tokens of a document instead of building its tree, which would take time quadratic in the depth: a page may
 * open an element with every third character. Offsets refer to the document, which is tokenized in one piece.
 */
class Reader implements TokenizerCallbacks {
  readonly #parts: string[] = [];
  #name = "";
  /** The outermost element that is being skipped, and the number of open elements with its name. */
  #skipped = { name: "", depth: 0 };

  constructor(private readonly html: string) {}

  get lines(): string[] {
    const lines = this.#parts.join("").split("\n");
    return lines.map((line) => line.replace(/\s+/g, " ").trim()).filter((line) => line !== "");
  }

  ontext(start: number, end: number): void {
    this.#text(this.html.slice(start, end));
  }

  ontextentity(codePoint: number): void {
    this.#text(String.fromCodePoint(codePoint));
  }

  onopentagname(start: number, end: number): void {
    this.#name = this.html.slice(start, end).toLowerCase();
  }

  onopentagend(): void {
    this.#break(this.#name);
    if (this.#skipped.depth === 0 && SKIPPED.has(this.#name)) this.#skipped = { name: this.#name, depth: 1 };
    else if (this.#skipped.name === this.#name) this.#skipped.depth += 1;
  }

  /** In HTML, the slash of `<a/>` only has a meaning inside SVG. */
  onselfclosingtag(): void {
    if (this.#name !== "svg") this.onopentagend();
  }

  onclosetag(start: number, end: number): void {
    const name = this.html.slice(start, end).toLowerCase();
    this.#break(name);
    if (this.#skipped.name === name && this.#skipped.depth > 0) this.#skipped.depth -= 1;
  }

  #text(text: string): void {
    if (this.#skipped.depth === 0) this.#parts.push(text.replaceAll("\n", " "));
  }

  #break(name: string): void {
    if (!INLINE.has(name)) this.#parts.push("\n");
  }

  onattribdata(): void {}
  onattribend(): void {}
  onattribentity(): void {}
  onattribname(): void {}
  oncdata(): void {}
  oncomment(): void {}
  ondeclaration(): void {}
  onend(): void {}
  onprocessinginstruction(): void {}
}
