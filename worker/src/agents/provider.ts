import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { createGateway, wrapLanguageModel } from "ai";
import { WorkerError } from "../errors.ts";
import type { AgentContext } from "./agent.ts";
import { choiceOf } from "./config.ts";
import { isWorthRetrying, modelFault, type Source } from "./provider_errors.ts";

interface Connection {
  readonly apiKey: string;
  readonly baseURL: string | undefined;
  readonly fetch: typeof fetch;
}

type Model = Parameters<typeof wrapLanguageModel>[0]["model"];

interface Provider extends Omit<Source, "model"> {
  /** What a session runs that names no model: the family that its harness is known for. */
  readonly models: Readonly<Record<string, string>> & { readonly other: string };
  connect(model: string, connection: Connection): Model;
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
  },
} as const satisfies Record<string, Provider>;

/** A model that is ready to be called; what it throws is a WorkerError, or worth one more try. */
export interface Connected {
  readonly model: Model;
  readonly source: Source;
}

/** Throws `bad_request` or `internal` when no key could make a model of what is set, naming the variable at fault. */
export function check(context: AgentContext): void {
  const { urlVar } = chosen(choiceOf("OPEN_AGENT_PROVIDER", context));
  baseUrl(urlVar, context.env[urlVar]?.trim());
}

/** The model that a session asked for. Throws `bad_request`, `missing_key` or `internal`, naming the variable at fault. */
export function connect(harness: string, context: AgentContext): Connected {
  const provider = chosen(choiceOf("OPEN_AGENT_PROVIDER", context));
  const { title, keyVar, urlVar, models } = provider;
  const byHarness: Readonly<Record<string, string>> = models;
  const model = choiceOf("OPEN_AGENT_MODEL_ID", context) ?? byHarness[harness] ?? models.other;
  const source: Source = { title, keyVar, urlVar, model };
  // Unbound on purpose: called as a method of anything else, the runtime's fetch throws.
  const { fetch } = context;
  const connection: Connection = {
    apiKey: keyOf(keyVar, context.env[keyVar]?.trim()),
    baseURL: baseUrl(urlVar, context.env[urlVar]?.trim()),
    fetch: (input, init) => fetch(input, init),
  };
  return { model: guarded(provider.connect(model, connection), source), source };
}

function chosen(name = "openrouter"): Provider {
  if (Object.hasOwn(PROVIDERS, name)) return PROVIDERS[name as keyof typeof PROVIDERS];
  const known = Object.keys(PROVIDERS).join(" or ");
  throw new WorkerError({
    code: "bad_request",
    message: `OPEN_AGENT_PROVIDER names no provider that is known here; use ${known}`,
  });
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

/** Turns the provider's errors into ours where they arise, so that nothing below reads them. */
function guarded(model: Model, source: Source): Model {
  return wrapLanguageModel({
    model,
    middleware: {
      async wrapStream({ doStream, params: { abortSignal } }) {
        try {
          const { stream, ...rest } = await doStream();
          return { ...rest, stream: quietlyAborted(stream, abortSignal) };
        } catch (error) {
          if (abortSignal?.aborted || isWorthRetrying(error)) throw error;
          throw new WorkerError(modelFault(error, source));
        }
      },
    },
  });
}

/**
 * The same stream, not cancelled once its signal has aborted the request: the provider drops the promise of such a
 * cancellation, which fails, and the runtime would log it with the whole conversation.
 */
function quietlyAborted<T>(stream: ReadableStream<T>, signal: AbortSignal | undefined): ReadableStream<T> {
  const reader = stream.getReader();
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      if (!signal?.aborted) await reader.cancel(reason);
    },
  });
}
