import assert from "node:assert/strict";
import { test } from "node:test";
import { beginning } from "../src/text.ts";

test("a text is cut between characters", () => {
  assert.equal(beginning("ab", 2), "ab");
  assert.equal(beginning("abc", 2), "ab");
  assert.equal(beginning("a😀b", 2), "a");
  assert.equal(beginning("a😀b", 3), "a😀");
  assert.equal(beginning("abc", 0), "");
});
