import assert from "node:assert/strict";
import { test } from "node:test";
import { APICallError, RetryError, TypeValidationError } from "ai";
import {
  endingFault,
  isWorthRetrying,
  mayBeTooLong,
  modelFault,
  type Source,
  statusOf,
  timeLimit,
} from "../../src/agents/provider_errors.ts";
import { WorkerError } from "../../src/errors.ts";

const SECRET = "sk-or-v1-secret";
/** What a `Nats-Service-Error` header holds. */
const HEADER = 200;

const source: Source = {
  title: "OpenRouter",
  keyVar: "OPENROUTER_API_KEY",
  urlVar: "OPENROUTER_BASE_URL",
  model: "~anthropic/claude-sonnet-latest",
};

function failed(statusCode: number, headers: Record<string, string> = {}): APICallError {
  return new APICallError({
    message: SECRET,
    url: `https://${SECRET}/`,
    requestBodyValues: { prompt: SECRET },
    responseBody: SECRET,
    responseHeaders: headers,
    statusCode,
  });
}

const anything: unknown[] = [
  ...Array.from({ length: 200 }, (_, index) => failed(400 + index)),
  failed(200),
  { code: 429, message: SECRET },
  { code: "429", message: SECRET },
  { code: "invalid_prompt", message: SECRET },
  new TypeError(SECRET),
  new DOMException(SECRET, "AbortError"),
  SECRET,
  null,
  undefined,
  42,
];

test("no error's text is passed on, and every sentence fits a header", () => {
  for (const error of anything) {
    const fault = modelFault(error, source);
    assert.doesNotMatch(JSON.stringify(fault), new RegExp(SECRET));
    assert.ok(fault.message.length <= HEADER, fault.message);
  }
});

for (const [status, code, words] of [
  [401, "refused_key", "OPENROUTER_API_KEY"],
  [402, "refused_key", "credit"],
  [403, "refused_key", "OPENROUTER_API_KEY"],
  [404, "model_error", "OPEN_AGENT_MODEL_ID"],
  [408, "model_timeout", "OPEN_AGENT_MODEL_ID"],
  [413, "model_error", "AGENT_HISTORY_LIMIT"],
  [418, "model_error", "(418)"],
  [429, "rate_limited", "later"],
  [500, "model_error", "(500)"],
  [504, "model_timeout", "OPEN_AGENT_MODEL_ID"],
] as const) {
  test(`${status} is ${code}, as a status and inside a stream`, () => {
    const fault = modelFault(failed(status), source);
    assert.equal(fault.code, code);
    assert.ok(fault.message.includes(words), fault.message);
    assert.deepEqual(modelFault({ code: status, message: SECRET }, source), fault);
  });
}

test("a rate limit keeps the seconds of Retry-After, and no other text of it", () => {
  assert.deepEqual(modelFault(failed(429, { "retry-after": "7" }), source), {
    code: "rate_limited",
    message: "OpenRouter limits the rate of requests (429); try again in 7 s",
    retryAfterS: 7,
  });
  assert.ok(!("retryAfterS" in modelFault(failed(429, { "retry-after": SECRET }), source)));
});

test("Retry-After may be a date, and concerns a provider that is failing too", () => {
  const date = new Date(Date.now() + 30_000).toUTCString();
  const { retryAfterS = 0 } = modelFault(failed(429, { "retry-after": date }), source);
  assert.ok(retryAfterS > 25 && retryAfterS <= 31);
  for (const value of [new Date(0).toUTCString(), "never GMT", "-1", "1e3", "9999999"]) {
    assert.ok(!("retryAfterS" in modelFault(failed(429, { "retry-after": value }), source)), value);
  }
  for (const status of [503, 529]) {
    const { code, message } = modelFault(failed(status, { "retry-after": "30" }), source);
    assert.equal(code, "model_error");
    assert.match(message, new RegExp(`\\(${status}\\); try again in 30 s`));
  }
});

test("only what may pass soon is tried again", () => {
  assert.ok(isWorthRetrying(failed(502)));
  assert.ok(!isWorthRetrying(failed(429)));
  assert.ok(!isWorthRetrying(failed(401)));
  assert.ok(!isWorthRetrying(new Error("a defect")));
});

test("after the tries, the last error counts", () => {
  const error = new RetryError({
    message: SECRET,
    reason: "maxRetriesExceeded",
    errors: [failed(502), failed(401)],
  });
  assert.equal(modelFault(error, source).code, "refused_key");
});

test("our own errors stay what they are", () => {
  const fault = { code: "unanswered", message: "nobody answered" } as const;
  assert.equal(modelFault(new WorkerError(fault), source), fault);
});

test("only a complete answer, and a call of a tool, go on", () => {
  assert.equal(endingFault("stop", 0, source), undefined);
  assert.equal(endingFault("stop", 1, source), undefined);
  assert.equal(endingFault("tool-calls", 1, source), undefined);
  for (const [ending, words] of [
    ["tool-calls", /announced a tool call/],
    ["length", /output limit/],
    ["content-filter", /content filter/],
    ["error", /broke off/],
  ] as const) {
    const fault = endingFault(ending, 0, source);
    assert.equal(fault?.code, "model_error");
    assert.match(fault?.message ?? "", words);
    assert.ok((fault?.message.length ?? 0) <= HEADER);
  }
});

test("a limit is named", () => {
  const { code, message } = timeLimit(600, source);
  assert.equal(code, "model_timeout");
  assert.match(message, /AGENT_TURN_LIMIT_S, 600 s/);
  assert.ok(message.length <= HEADER);
});

test("what a refused conversation needs is said", () => {
  for (const status of [400, 413]) {
    assert.ok(mayBeTooLong(failed(status)));
    assert.match(modelFault(failed(status), source).message, /abort .*start.*AGENT_HISTORY_LIMIT/);
  }
  for (const status of [401, 404, 429, 500]) assert.ok(!mayBeTooLong(failed(status)));
});

for (const [error, status] of [
  [{ code: 429 }, 429],
  [{ code: "429" }, 429],
  [{ statusCode: 503, code: "rate_limit_exceeded" }, 503],
  [{ status: 402 }, 402],
  [{ status: "RESOURCE_EXHAUSTED", code: 8 }, 429],
  [{ code: 1305, type: "overloaded_error" }, 503],
  [{ code: "context_length_exceeded" }, 413],
  [{ type: "rate_limit_error" }, 429],
  [new TypeValidationError({ value: { error: { code: 429 } }, cause: SECRET }), 429],
  [{ code: 200 }, undefined],
  [{ code: 42.9 }, undefined],
  [{ code: "no such name" }, undefined],
  [{ code: null }, undefined],
  ["429", undefined],
  [null, undefined],
] as const) {
  test(`the status of ${JSON.stringify(error)} is ${status}`, () => {
    assert.equal(statusOf(error), status);
  });
}
