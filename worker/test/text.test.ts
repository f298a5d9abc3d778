import assert from "node:assert/strict";
import { test } from "node:test";
import { beginning, isBlank } from "../src/text.ts";

test("a text is cut between characters", () => {
  assert.equal(beginning("ab", 2), "ab");
  assert.equal(beginning("abc", 2), "ab");
  assert.equal(beginning("a😀b", 2), "a");
  assert.equal(beginning("a😀b", 3), "a😀");
  assert.equal(beginning("abc", 0), "");
});

test("a text is blank if there is nothing to read in it", () => {
  for (const text of ["", " ", "\n\t\r", "\u00a0\u3000", "\u200b\ufeff", "\u0000\u0085"])
    assert.ok(isBlank(text));
  for (const text of ["a", " . ", "\ufffd", "😀", "é", "\u0301"]) assert.ok(!isBlank(text));
});
