import {
  APICallError,
  JSONParseError,
  NoOutputGeneratedError,
  RetryError,
  ToolChoiceViolationError,
  TypeValidationError,
} from "ai";
import { type Fault, WorkerError } from "../errors.ts";
import type { Ending } from "./endings.ts";

/** The provider and model that a fault is about, as named in its message. */
export interface Source {
  /** The provider's display name. */
  readonly title: string;
  readonly keyVar: "OPENROUTER_API_KEY" | "AI_GATEWAY_API_KEY";
  readonly urlVar: "OPENROUTER_BASE_URL" | "AI_GATEWAY_BASE_URL";
  readonly model: string;
}

/**
 * Whether the same call may succeed a moment later. A rate limit lasts longer, so it is reported to the caller at once.
 */
export function isWorthRetrying(error: unknown): boolean {
  return isRecord(error) && error.isRetryable === true && statusOf(error) !== 429;
}

/** Whether a shorter conversation may be accepted: providers answer one that is too long with 400, 413 or 422. */
export function mayBeTooLong(error: unknown): boolean {
  return TOO_LONG.has(statusOf(error));
}

const TOO_LONG: ReadonlySet<number | undefined> = new Set([400, 413, 422]);

/**
 * The fault behind an error of a provider. Of the error only its status and a few known names are read: its text was
 * written by the provider, may quote the conversation or the key, and never reaches a frame.
 */
export function modelFault(error: unknown, source: Source): Fault {
  if (error instanceof WorkerError) return error.fault;
  if (RetryError.isInstance(error)) return modelFault(error.lastError, source);
  // The SDK takes the end of a body that was ended here for one of its own errors.
  if (error instanceof Error && error.cause instanceof WorkerError) return error.cause.fault;
  const status = statusOf(error);
  if (status !== undefined) return statusFault(status, retryAfterOf(error), source);
  if (JSONParseError.isInstance(error) || TypeValidationError.isInstance(error)) return notTheApi(source);
  // Only the last call of a turn forbids tools.
  if (ToolChoiceViolationError.isInstance(error)) return stepLimit(source);
  if (NoOutputGeneratedError.isInstance(error)) return brokenOff(source);
  return connectionLost(source);
}

/** The fault of a call that ended like this after so many tool calls; undefined if the turn can continue or is complete. */
export function endingFault(ending: Ending, toolCalls: number, source: Source): Fault | undefined {
  const { title, model } = source;
  switch (ending) {
    case "stop":
      return undefined;
    case "tool-calls":
      return toolCalls > 0
        ? undefined
        : modelError(`${model} announced a tool call and made none; try again`);
    case "length":
      return modelError(
        `${model} reached its output limit or the end of its context, so the answer is cut; ask for a shorter one, or abort and restart the agent if the conversation is long`,
      );
    case "content-filter":
      return modelError(`${title}'s content filter stopped the answer of ${model}; rephrase the prompt`);
    case "error":
      return brokenOff(source);
  }
}

/** The fault of a turn without any readable text. */
export function noAnswer({ model }: Source): Fault {
  return modelError(`${model} ended its answer without a word; try again`);
}

export function timeLimit(turnS: number, { model }: Source): Fault {
  return {
    code: "model_timeout",
    message: `the turn with ${model} exceeded AGENT_TURN_LIMIT_S, ${turnS} s; try again, or ask for less`,
  };
}

function stepLimit({ model }: Source): Fault {
  return modelError(
    `${model} called a tool in the last call that AGENT_STEP_LIMIT allows; ask for less, or raise the limit`,
  );
}

function brokenOff({ model, urlVar }: Source): Fault {
  return modelError(
    `the answer of ${model} broke off before its end; try again, and check ${urlVar} if it is set`,
  );
}

function connectionLost({ title, urlVar }: Source): Fault {
  return modelError(
    `${title} could not be reached, or the connection broke off; try again, and check ${urlVar} if it is set`,
  );
}

function notTheApi({ title, urlVar }: Source): Fault {
  return modelError(
    `the response is not from ${title}'s API, or its stream is malformed; check ${urlVar} if it is set`,
  );
}

function modelError(message: string): Fault {
  return { code: "model_error", message };
}

type Row = readonly ["refused_key" | "model_error" | "model_timeout", (source: Source) => string];

const GAVE_UP: Row = [
  "model_timeout",
  ({ title, model }) =>
    `${title} gave up waiting for ${model}; try again, or set another OPEN_AGENT_MODEL_ID`,
];

function rejected(status: number): Row {
  return [
    "model_error",
    ({ title, model }) =>
      `${title} rejected the request for ${model} (${status}): check OPEN_AGENT_MODEL_ID; if the conversation is too long, abort and restart the agent, or lower AGENT_HISTORY_LIMIT`,
  ];
}

/** The fault for a status, of a response or of an error inside a stream. 429 also has a time; see `rateLimit`. */
const STATUSES: Readonly<Record<number, Row>> = {
  400: rejected(400),
  401: [
    "refused_key",
    ({ title, keyVar }) =>
      `${title} refused the key in ${keyVar} (401); set a valid one with \`wrangler secret put ${keyVar}\``,
  ],
  402: [
    "refused_key",
    ({ title, keyVar }) =>
      `${title} has no credit left for the key in ${keyVar} (402); top up the account or raise the key's limit`,
  ],
  403: [
    "refused_key",
    ({ title, keyVar, model }) =>
      `${title} refused this request (403): the key in ${keyVar} may not use ${model}, or the input was moderated`,
  ],
  404: [
    "model_error",
    ({ title, urlVar, model }) =>
      `${title} has no model ${model} that supports tools (404); set OPEN_AGENT_MODEL_ID, and check ${urlVar} if it is set`,
  ],
  408: GAVE_UP,
  413: [
    "model_error",
    ({ model }) =>
      `the conversation is too long for ${model} (413); shorten the prompt, abort the agent and start it again, or lower AGENT_HISTORY_LIMIT`,
  ],
  422: rejected(422),
  504: GAVE_UP,
};

function statusFault(status: number, retryAfterS: number | undefined, source: Source): Fault {
  if (status === 429) return rateLimit(retryAfterS, source);
  const [code, message] = STATUSES[status] ?? ["model_error", other(status, retryAfterS)];
  return { code, message: message(source) };
}

function rateLimit(retryAfterS: number | undefined, { title }: Source): Fault {
  const when = retryAfterS === undefined ? "later" : `in ${retryAfterS} s`;
  const message = `${title} limits the rate of requests (429); try again ${when}`;
  return { code: "rate_limited", message, ...(retryAfterS !== undefined && { retryAfterS }) };
}

function other(status: number, retryAfterS: number | undefined) {
  const when = retryAfterS === undefined ? "" : ` in ${retryAfterS} s`;
  return ({ title, model }: Source) =>
    status >= 500
      ? `${title} is failing for ${model} (${status}); try again${when}, or set another OPEN_AGENT_MODEL_ID`
      : `${title} rejected the request for ${model} (${status}); check OPEN_AGENT_MODEL_ID`;
}

/** Names of errors inside a stream, used instead of a number or with one that is not an HTTP status. */
const NAMES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    invalid_request_error: 400,
    authentication_error: 401,
    invalid_api_key: 401,
    unauthenticated: 401,
    billing_error: 402,
    insufficient_quota: 402,
    insufficient_credits: 402,
    forbidden: 403,
    permission_error: 403,
    permission_denied: 403,
    model_not_found: 404,
    not_found: 404,
    not_found_error: 404,
    context_length_exceeded: 413,
    request_too_large: 413,
    rate_limit_error: 429,
    rate_limit_exceeded: 429,
    resource_exhausted: 429,
    too_many_requests: 429,
    api_error: 500,
    internal_server_error: 500,
    server_error: 500,
    failed_dependency: 502,
    overloaded_error: 503,
    unavailable: 503,
    deadline_exceeded: 504,
    timeout_error: 504,
  }),
);

/**
 * The HTTP status of an error: its own, or that of an error object in a body or a stream, which may have it as a number,
 * as digits or by a name. Undefined for any other error, and for one outside 400 to 599.
 */
export function statusOf(error: unknown): number | undefined {
  if (!isRecord(error)) return undefined;
  const { statusCode, status, code, type } = error;
  const own = [statusCode, status, code, type].map(numberOf).find((number) => number !== undefined);
  // The SDK's errors keep what they were made from in `data`, or in `value` if it did not fit the schema.
  return own ?? statusOf(error.error) ?? statusOf(error.data) ?? statusOf(error.value);
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" ? (NAMES.get(value.toLowerCase()) ?? Number(value)) : value;
  const isStatus = typeof number === "number" && Number.isInteger(number) && number >= 400 && number <= 599;
  return isStatus ? number : undefined;
}

/** `Retry-After` in whole seconds, whether it was written as seconds or as a date. The gateway's errors have the response as their cause. */
function retryAfterOf(error: unknown): number | undefined {
  const response = isRecord(error) && !APICallError.isInstance(error) ? error.cause : error;
  const value = APICallError.isInstance(response) ? (response.responseHeaders?.["retry-after"] ?? "") : "";
  const seconds = value.endsWith(" GMT") ? Math.ceil((Date.parse(value) - Date.now()) / 1000) : value;
  return /^\d{1,6}$/.test(String(seconds)) ? Number(seconds) : undefined;
}

interface AnyRecord {
  readonly [field: string]: unknown;
  readonly isRetryable?: unknown;
  readonly statusCode?: unknown;
  readonly status?: unknown;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly cause?: unknown;
  readonly error?: unknown;
  readonly data?: unknown;
  readonly value?: unknown;
}

function isRecord(value: unknown): value is AnyRecord {
  return typeof value === "object" && value !== null;
}
