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
  assert.equal(plainText("<p>one<p>two</div><b>three"), "one\ntwo\nthree");
  assert.equal(plainText("1 < 2 & 3 > 2"), "1 < 2 & 3 > 2");
  assert.equal(plainText(""), "");
  assert.equal(plainText("<script>never closed"), "");
});

test("leaves out what is nested in what it leaves out, and nothing behind it", () => {
  assert.equal(plainText("<template>a<template>b</template>c</template>d"), "d");
  assert.equal(plainText("<svg><title>a</title><g/></svg>b<svg/>c</svg>d"), "bc\nd");
  assert.equal(plainText("<noscript>a</template>b</noscript>c"), "c");
  assert.equal(plainText("<SCRIPT>a</Script >b</script>c"), "b\nc");
});

// With the square of these sizes it would be a matter of hours.
test("a page that opens elements and closes none costs no more than another", () => {
  assert.equal(plainText(`${"<s>".repeat(3_000_000)}end`), "end");
  assert.equal(plainText(`${"<div>".repeat(1_000_000)}end`), "end");
});

test("a page of blanks costs no more than another", () => {
  assert.equal(plainText(`${"<s> ".repeat(2_000_000)}end`), "end");
  assert.equal(plainText(`a${" ".repeat(8_000_000)}b`), "a b");
  assert.equal(plainText("<p>\n".repeat(1_000_000)), "");
});
