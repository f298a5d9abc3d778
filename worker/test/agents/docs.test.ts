import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MAX_HISTORY_CHARS } from "../../src/agents/history.ts";
import { PROVIDERS } from "../../src/agents/provider.ts";
import { MAX_SHOWN_CHARS } from "../../src/agents/tool_status.ts";
import {
  MAX_BODY_BYTES,
  MAX_REDIRECTS,
  MAX_TEXT_CHARS,
  TIMEOUT_MS,
} from "../../src/agents/tools/web_fetch.ts";
import { CODES } from "../../src/errors.ts";
import { LIMITS } from "../../src/limits.ts";

const text = readFileSync(new URL("../../MODELS.md", import.meta.url), "utf8").replaceAll(/\s+/g, " ");

function states(sentence: string): void {
  assert.ok(text.includes(sentence), `MODELS.md does not say: ${sentence}`);
}

const number = (value: number) => value.toLocaleString("en-US");

test("MODELS.md states each limit with its default", () => {
  const { AGENT_IDLE_LIMIT_S: _, ...ours } = LIMITS;
  for (const [name, byDefault] of Object.entries(ours)) states(`| \`${name}\` | ${byDefault} |`);
  states(`the newest ${number(MAX_HISTORY_CHARS)} characters`);
  states(`more than ${number(MAX_SHOWN_CHARS)} characters`);
  states(`${TIMEOUT_MS / 1000} s, ${MAX_REDIRECTS} redirects, ${MAX_BODY_BYTES / 1024} KiB read`);
  states(`${number(MAX_TEXT_CHARS)} characters given`);
});

test("MODELS.md states keys, addresses and models of each provider", () => {
  for (const [name, { keyVar, urlVar }] of Object.entries(PROVIDERS)) {
    states(`| \`${name}\` | \`${keyVar}\` | \`${urlVar}\`,`);
  }
  const { openrouter, gateway } = PROVIDERS;
  states(`| \`claude-code\`, \`pi\` | \`${openrouter.models.other}\` | \`${gateway.models.other}\` |`);
  for (const harness of ["codex", "gemini"] as const) {
    states(`| \`${harness}\` | \`${openrouter.models[harness]}\` | \`${gateway.models[harness]}\` |`);
  }
});

test("MODELS.md states the code of each failure", () => {
  const failures = [
    "missing_key",
    "refused_key",
    "rate_limited",
    "model_timeout",
    "model_error",
    "bad_request",
  ] as const;
  for (const failure of [...failures, "internal"] as const) {
    states(`| ${CODES[failure].bus} | \`${failure}\` |`);
  }
});
