import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { WorkerError } from "../src/errors.ts";
import { sameSettings, settingsOf } from "../src/settings.ts";

test("an empty body has a default for everything", () => {
  assert.deepEqual(settingsOf({}, "a", {}), {
    name: "a",
    agent: "echo",
    owner: "worker",
    labels: {},
    env: {},
    description: "a: an open-agent at the edge (echo)",
  });
});

test("fields come from the body alone, never from what objects inherit", () => {
  const body: unknown = JSON.parse('{"labels": {"__proto__": "x"}}');
  assert.deepEqual(Object.entries(settingsOf(body, "a", {}).labels), [["__proto__", "x"]]);
  assert.throws(() => settingsOf(JSON.parse('{"__proto__": {"owner": "b"}}'), "a", {}), WorkerError);
});

test("the order of labels and env makes no difference, everything else does", () => {
  const base = { labels: { a: "1", b: "2" }, env: { OPEN_AGENT_PROVIDER: "1", OPEN_AGENT_MODEL_ID: "2" } };
  const turned = { env: { OPEN_AGENT_MODEL_ID: "2", OPEN_AGENT_PROVIDER: "1" }, labels: { b: "2", a: "1" } };
  const settings = settingsOf(base, "a", {});
  assert.ok(sameSettings(settings, settingsOf(turned, "a", {})));
  for (const other of [{ owner: "b" }, { agent: "pi" }, { labels: { a: "1" } }, { env: {} }, { name: "b" }]) {
    assert.ok(!sameSettings(settings, settingsOf({ ...base, ...other }, "a", {})), JSON.stringify(other));
  }
});

test("an invalid owner in a var is the deployment's fault, in a field the caller's", () => {
  const codeOf = (body: unknown, owner: string) => {
    try {
      settingsOf(body, "a", { OPEN_AGENT_OWNER: owner });
    } catch (thrown) {
      return thrown instanceof WorkerError ? thrown.fault.code : "none";
    }
    return "none";
  };
  assert.equal(codeOf({}, "a.b"), "internal");
  assert.equal(codeOf({ owner: "a.b" }, "a"), "bad_request");
  assert.equal(codeOf({ owner: "b" }, "a.b"), "none");
});

test("the owner is taken from the body, then env, then the var", () => {
  const env = { OPEN_AGENT_OWNER: "b" };
  assert.equal(settingsOf({ env }, "a", { OPEN_AGENT_OWNER: "c" }).owner, "b");
  assert.equal(settingsOf({ owner: "d", env }, "a", {}).owner, "d");
  assert.throws(() => settingsOf({ env: { OPEN_AGENT_OWNER: "a.b" } }, "a", {}), WorkerError);
});

/** The executor's tests read it too: one rule on both sides. */
const EXAMPLES = JSON.parse(
  readFileSync(new URL("../../tests/shared_rules.json", import.meta.url), "utf8"),
) as Record<"variables" | "unknown variables", readonly string[]>;

test("env has the variables that the executor passes, and no others", () => {
  for (const key of EXAMPLES.variables) {
    assert.deepEqual(settingsOf({ env: { [key]: "x" } }, "a", {}).env, { [key]: "x" });
  }
  for (const key of EXAMPLES["unknown variables"]) {
    assert.throws(() => settingsOf({ env: { [key]: "x" } }, "a", {}), WorkerError);
  }
});

test("a key of env that nothing reads is refused by name", () => {
  const naming = (thrown: unknown) =>
    thrown instanceof WorkerError && /"OPEN_AGENT_MODEL"/.test(thrown.message);
  assert.throws(() => settingsOf({ env: { OPEN_AGENT_MODEL: "x" } }, "a", {}), naming);
});

test("a name that is quoted is cut between characters", () => {
  const name = `${"x".repeat(63)}😀`;
  const quoting = (thrown: unknown) =>
    thrown instanceof WorkerError && thrown.message.includes(`"${"x".repeat(63)}"`);
  assert.throws(() => settingsOf({ [name]: 1 }, "a", {}), quoting);
});
