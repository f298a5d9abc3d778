import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { createGateway } from "ai";
import { badRequest, WorkerError } from "../errors.ts";
import type { AgentContext, Message } from "./agent.ts";
import { firstBytes, watchedEvents } from "./body.ts";
import { choiceOf } from "./config.ts";
import { type FinishReason, guarded, type Model, type Watcher } from "./guard.ts";
import { type Source, statusOf } from "./provider_errors.ts";

/** Bytes that are read of a body that only contains an error: it is JSON, or has the status of one. */
const MAX_ERROR_BYTES = 64 * 1024;

interface Connection {
  readonly apiKey: string;
  readonly baseURL: string | undefined;
  readonly fetch: typeof fetch;
}

interface Provider extends Omit<Source, "model"> {
  /** The default model by harness. */
  readonly models: Readonly<Record<string, string>> & { readonly other: string };
  connect(model: string, connection: Connection): Model;
  /** The provider's word for how a call ended; undefined if there was none. */
  lastWord(reason: FinishReason): string | undefined;
}

export const PROVIDERS = {
  openrouter: {
    title: "OpenRouter",
    keyVar: "OPENROUTER_API_KEY",
    urlVar: "OPENROUTER_BASE_URL",
    // OpenRouter resolves these to the newest model of a family, so they do not age.
    models: {
      codex: "~openai/gpt-latest",
      gemini: "~google/gemini-pro-latest",
      other: "~anthropic/claude-sonnet-latest",
    },
    connect: (model, { baseURL, ...rest }) =>
      createOpenRouter({ ...rest, ...(baseURL && { baseURL }) }).chat(model),
    // Its SDK reports "tool-calls" for every unknown ending after a tool call.
    lastWord: ({ raw }) => raw,
  },
  gateway: {
    title: "the AI Gateway",
    keyVar: "AI_GATEWAY_API_KEY",
    urlVar: "AI_GATEWAY_BASE_URL",
    models: {
      codex: "openai/gpt-6.1-sol",
      gemini: "google/gemini-3.1-pro-preview",
      other: "anthropic/claude-sonnet-5.5",
    },
    connect: (model, { baseURL, ...rest }) => createGateway({ ...rest, ...(baseURL && { baseURL }) })(model),
    // The raw word is optional, and depends on the model that answered.
    lastWord: ({ unified, raw }) => (unified === "other" ? raw : unified),
  },
} as const satisfies Record<string, Provider>;

/** A model that is ready to be called. It throws a WorkerError, or an error that is worth one more attempt. */
export interface Connected {
  readonly model: Model;
  readonly source: Source;
}

/** Throws `bad_request` or `internal` if the settings fit no provider, whatever the key. Names the variable at fault. */
export function check(context: AgentContext): void {
  const { urlVar } = chosen(choiceOf("OPEN_AGENT_PROVIDER", context));
  baseUrl(urlVar, context.env[urlVar]?.trim());
}

/**
 * The model that a session asked for, for one turn with this history. Throws `bad_request`, `missing_key` or `internal`
 * with the name of the variable at fault.
 */
export function connect(
  harness: string,
  context: AgentContext,
  history: readonly Message[],
  watcher: Watcher,
): Connected {
  const { title, keyVar, urlVar, models, lastWord, ...provider } = chosen(
    choiceOf("OPEN_AGENT_PROVIDER", context),
  );
  const byHarness: Readonly<Record<string, string>> = models;
  const model = choiceOf("OPEN_AGENT_MODEL_ID", context) ?? byHarness[harness] ?? models.other;
  const source: Source = { title, keyVar, urlVar, model };
  const connection: Connection = {
    apiKey: keyOf(keyVar, context.env[keyVar]?.trim()),
    baseURL: baseUrl(urlVar, context.env[urlVar]?.trim()),
    fetch: fetchOf(context, watcher),
  };
  return {
    model: guarded(provider.connect(model, connection), { source, history, lastWord, watcher }),
    source,
  };
}

function chosen(name = "openrouter"): Provider {
  if (Object.hasOwn(PROVIDERS, name)) return PROVIDERS[name as keyof typeof PROVIDERS];
  const known = Object.keys(PROVIDERS).join(" or ");
  throw badRequest(`OPEN_AGENT_PROVIDER names an unknown provider; use ${known}`);
}

function keyOf(name: string, key: string | undefined): string {
  if (key) return key;
  throw new WorkerError({
    code: "missing_key",
    message: `the Worker has no ${name}; set it with \`wrangler secret put ${name}\``,
  });
}

function baseUrl(name: string, text: string | undefined): string | undefined {
  if (!text) return undefined;
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text;
  throw new WorkerError({
    code: "internal",
    message: `the Worker's var ${name} must be an absolute http or https URL`,
  });
}

/** The runtime's fetch, called as a function: as a method of anything else it throws. */
function fetchOf({ fetch }: AgentContext, watcher: Watcher): typeof globalThis.fetch {
  return async (input, init) => bounded(await fetch(input, init), watcher);
}

/** The response, of which nobody has to keep more than the watcher allows. */
async function bounded(response: Response, watcher: Watcher): Promise<Response> {
  const { ok, status, headers, body } = response;
  if (!ok) return new Response(await firstBytes(body, MAX_ERROR_BYTES), { status, headers });
  if (/json/i.test(headers.get("Content-Type") ?? "")) return withStatusOfBody(response);
  return new Response(body && watchedEvents(body, (bytes) => watcher.gathered(bytes)), { headers });
}

/** Some servers answer 200 with an error in a JSON body. Then the status in the body counts. */
async function withStatusOfBody(response: Response): Promise<Response> {
  const type = response.headers.get("Content-Type") ?? "";
  const text = new TextDecoder().decode(await firstBytes(response.body, MAX_ERROR_BYTES));
  const status = statusIn(text);
  if (status === undefined) return new Response(text, { headers: { "Content-Type": type } });
  const retryAfter = response.headers.get("Retry-After");
  return Response.json({}, { status, ...(retryAfter && { headers: { "Retry-After": retryAfter } }) });
}

function statusIn(text: string): number | undefined {
  try {
    return statusOf(JSON.parse(text)?.error);
  } catch {
    return undefined;
  }
}
