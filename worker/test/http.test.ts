import assert from "node:assert/strict";
import { test } from "node:test";
import { prefersHtml } from "../src/http.ts";

test("HTML is preferred by those who name it", () => {
  for (const accept of [
    "text/html",
    "text/html, */*;q=0.1",
    "a/b, TEXT/HTML; level=1; Q=0.3",
    "text/html, application/json",
  ]) {
    assert.equal(prefersHtml(accept), true, accept);
  }
});

test("anyone else gets JSON", () => {
  for (const accept of [
    null,
    "",
    "*/*",
    "text/*",
    "text/html;q=0",
    "application/json, text/html;q=0.9",
    "text/html;q=x",
  ]) {
    assert.equal(prefersHtml(accept), false, String(accept));
  }
});
