import {
  APICallError,
  type FinishReason,
  JSONParseError,
  RetryError,
  ToolChoiceViolationError,
  TypeValidationError,
} from "ai";
import { type Fault, unreachable, WorkerError } from "../errors.ts";

/** Who the failures of a model are about, in the words that a message needs. */
export interface Source {
  /** The provider's name as people write it. */
  readonly title: string;
  readonly keyVar: "OPENROUTER_API_KEY" | "AI_GATEWAY_API_KEY";
  readonly urlVar: "OPENROUTER_BASE_URL" | "AI_GATEWAY_BASE_URL";
  readonly model: string;
}

/** How a model's last call ended. `raw` is the provider's own word; without one its stream broke off. */
export interface Ending {
  readonly reason: FinishReason;
  readonly raw: string | undefined;
}

/** Whether the same call may succeed a moment later. A rate limit is not: its caller is told at once, and when to return. */
export function isWorthRetrying(error: unknown): boolean {
  return isThrown(error) && error.isRetryable === true && statusOf(error) !== 429;
}

/**
 * What went wrong with a model, in our words. Of the error itself only numbers are used: its text was written by the
 * provider, may repeat the conversation or the key, and never reaches a frame.
 */
export function modelFault(error: unknown, source: Source): Fault {
  if (error instanceof WorkerError) return error.fault;
  if (RetryError.isInstance(error)) return modelFault(error.lastError, source);
  const status = statusOf(error);
  if (status !== undefined) return faultOfStatus(status, retryAfterOf(error), source);
  if (isNotTheApi(error)) return notTheApi(source);
  // Only the last call of a turn is told to use no tool.
  if (ToolChoiceViolationError.isInstance(error)) return stepLimit(source);
  return brokeOff(source);
}

function brokeOff({ title, urlVar }: Source): Fault {
  return {
    code: "model_error",
    message: `${title} could not be reached, or its answer broke off; try again, and check ${urlVar} if it is set`,
  };
}

/** The fault of a turn whose stream ended without an error; none when the model finished its answer. */
export function endingFault(ending: Ending | undefined, text: string, source: Source): Fault | undefined {
  const { title, model } = source;
  if (!ending || ending.raw === undefined) return brokeOff(source);
  switch (ending.reason) {
    case "stop":
    case "other":
      return text === ""
        ? { code: "model_error", message: `${model} ended its answer without a word; try again` }
        : undefined;
    case "tool-calls":
      return stepLimit(source);
    case "length":
      return {
        code: "model_error",
        message: `${model} reached its output limit, so the answer is cut; ask for a shorter one`,
      };
    case "content-filter":
      return { code: "model_error", message: `${title}'s content filter stopped the answer of ${model}` };
    case "error":
    case "interrupted":
      return brokeOff(source);
    default:
      return unreachable(ending.reason);
  }
}

function stepLimit({ model }: Source): Fault {
  return {
    code: "model_error",
    message: `${model} still wanted tools at the last call that AGENT_STEP_LIMIT allows; ask for less, or raise the limit`,
  };
}

export function timeLimitFault(turnS: number, { model }: Source): Fault {
  return {
    code: "model_timeout",
    message: `the turn with ${model} was stopped after ${turnS} s, the limit of AGENT_TURN_LIMIT_S; try again, or ask for less`,
  };
}

/** What an HTTP status means here, or the same number inside a stream. 429 carries a time, and stands in `rateLimited`. */
const STATUSES: Readonly<
  Record<number, readonly ["refused_key" | "model_error" | "model_timeout", (source: Source) => string]>
> = {
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
      `${title} has no model ${model} that takes tools (404); set OPEN_AGENT_MODEL_ID, and check ${urlVar} if it is set`,
  ],
  408: ["model_timeout", gaveUp],
  413: [
    "model_error",
    ({ model }) =>
      `the conversation is too long for ${model} (413); shorten the prompt or lower AGENT_HISTORY_LIMIT`,
  ],
  504: ["model_timeout", gaveUp],
};

function faultOfStatus(status: number, retryAfterS: number | undefined, source: Source): Fault {
  if (status === 429) return rateLimited(retryAfterS, source);
  const [code, message] = STATUSES[status] ?? [
    "model_error",
    status >= 500 ? failing(status) : rejected(status),
  ];
  return { code, message: message(source) };
}

function rateLimited(retryAfterS: number | undefined, { title }: Source): Fault {
  const when = retryAfterS === undefined ? "later" : `in ${retryAfterS} s`;
  const message = `${title} limits the rate of requests (429); try again ${when}`;
  return { code: "rate_limited", message, ...(retryAfterS !== undefined && { retryAfterS }) };
}

function gaveUp({ title, model }: Source): string {
  return `${title} gave up waiting for ${model}; try again, or choose another OPEN_AGENT_MODEL_ID`;
}

function failing(status: number) {
  return ({ title, model }: Source) =>
    `${title} is failing for ${model} (${status}); try again, or choose another OPEN_AGENT_MODEL_ID`;
}

function rejected(status: number) {
  return ({ title, model }: Source) =>
    `${title} rejected the request for ${model} (${status}): check OPEN_AGENT_MODEL_ID; or the conversation is too long for it`;
}

function notTheApi({ title, urlVar }: Source): Fault {
  return {
    code: "model_error",
    message: `what answered is not ${title}'s API, or it sent a malformed stream; check ${urlVar} if it is set`,
  };
}

/** An answer that arrived, and was not what the API promises. */
function isNotTheApi(error: unknown): boolean {
  return JSONParseError.isInstance(error) || TypeValidationError.isInstance(error);
}

/** The status of an error: HTTP's, or the `code` of an error event inside a stream. 2xx is none: the body was at fault. */
function statusOf(error: unknown): number | undefined {
  if (!isThrown(error)) return undefined;
  const number = Number(error.statusCode ?? error.code);
  return Number.isInteger(number) && number >= 400 && number <= 599 ? number : undefined;
}

/** `Retry-After` in whole seconds, where it was given as such. The gateway's errors have the answer as their cause. */
function retryAfterOf(error: unknown): number | undefined {
  const answer = isThrown(error) && !APICallError.isInstance(error) ? error.cause : error;
  const seconds = APICallError.isInstance(answer) ? answer.responseHeaders?.["retry-after"] : undefined;
  return seconds !== undefined && /^\d{1,6}$/.test(seconds) ? Number(seconds) : undefined;
}

/** What of an error is read: fields of the SDK's error classes, and of the error events that OpenRouter streams. */
interface Thrown {
  readonly isRetryable?: unknown;
  readonly statusCode?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
}

function isThrown(error: unknown): error is Thrown {
  return typeof error === "object" && error !== null;
}
