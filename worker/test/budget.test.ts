import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ISOLATE_BYTES, MAX_SEAT_BYTES, Share } from "../src/budget.ts";

test("a seat has its share, and all seats together have the isolate's", () => {
  const seats = Array.from({ length: MAX_ISOLATE_BYTES / MAX_SEAT_BYTES }, () => new Share());
  for (const seat of seats) {
    assert.ok(seat.take(MAX_SEAT_BYTES - 1));
    assert.ok(!seat.take(2));
    assert.ok(seat.take(1));
  }
  const late = new Share();
  assert.ok(!late.take(1));
  seats[0]?.give(10);
  assert.ok(late.take(10));
  assert.ok(!late.take(1));
  late.give(10);
  for (const seat of seats) seat.give(seat.used);
  assert.ok(late.take(MAX_SEAT_BYTES));
  late.give(MAX_SEAT_BYTES);
});
