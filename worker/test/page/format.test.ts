import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, count } from "../../page/format.ts";

const NOON = Date.parse("2026-11-26T12:00:00.000Z");

test("a time is as long ago as its largest unit says", () => {
  const times: [string, string][] = [
    ["2026-11-26T12:00:07.000Z", "just now"],
    ["2026-11-26T11:59:01.000Z", "just now"],
    ["2026-11-26T11:59:00.000Z", "1 min ago"],
    ["2026-11-26T11:00:01.000Z", "59 min ago"],
    ["2026-11-26T11:00:00.000Z", "1 h ago"],
    ["2026-11-25T12:00:01.000Z", "23 h ago"],
    ["2026-11-20T12:00:00.000Z", "6 d ago"],
  ];
  for (const [time, wanted] of times) assert.equal(ago(time, NOON), wanted, time);
});

test("large numbers are grouped", () => {
  assert.equal(count(0), "0");
  assert.equal(count(1234567), "1,234,567");
});
