import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { check } from "../../src/agents/provider.ts";
import { WorkerError } from "../../src/errors.ts";

/** The executor's tests read it too: one rule on both sides. */
const EXAMPLES = JSON.parse(
  readFileSync(new URL("../../../tests/shared_rules.json", import.meta.url), "utf8"),
) as Record<"providers" | "unknown providers", readonly string[]>;

function checked(name: string): void {
  check({ env: {}, settings: { OPEN_AGENT_PROVIDER: name }, fetch });
}

test("the providers that the executor passes are known, and no others", () => {
  for (const name of EXAMPLES.providers) checked(name);
  for (const name of EXAMPLES["unknown providers"]) assert.throws(() => checked(name), WorkerError);
});
