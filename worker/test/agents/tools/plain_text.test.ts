import assert from "node:assert/strict";
import { test } from "node:test";
import { plainText } from "../../../src/agents/tools/plain_text.ts";

test("keeps what a reader sees, a line per block", () => {
  const page = `<!doctype html><html><head><title>A  title</title><style>p { color: red }</style></head>
    <body><h1>Head&amp;ing</h1><p>One <b>bold</b> <a href="/x">word</a>.</p><script>alert("<p>no</p>")</script>
    <ul><li>first</li><li>second</li></ul><!-- hidden --><noscript>off</noscript></body></html>`;
  assert.equal(plainText(page), "A title\nHead&ing\nOne bold word.\nfirst\nsecond");
});

test("survives what is not well formed", () => {
  assert.equal(plainText("<p>one<p>two</div><b>three"), "one\ntwothree");
  assert.equal(plainText("1 < 2 & 3 > 2"), "1 < 2 & 3 > 2");
  assert.equal(plainText(""), "");
  assert.equal(plainText("<script>never closed"), "");
});
