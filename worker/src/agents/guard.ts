import { type LanguageModelMiddleware, wrapLanguageModel } from "ai";
import { WorkerError } from "../errors.ts";
import type { Usage } from "../tally.ts";
import { isBlank } from "../text.ts";
import type { Message } from "./agent.ts";
import { endingOf } from "./endings.ts";
import { newerHalf } from "./history.ts";
import { isWorthRetrying, mayBeTooLong, modelFault, type Source } from "./provider_errors.ts";

export type Model = Parameters<typeof wrapLanguageModel>[0]["model"];

type Call = Parameters<NonNullable<LanguageModelMiddleware["wrapStream"]>>[0];
type Prompt = Call["params"]["prompt"];
type StreamResult = Awaited<ReturnType<Call["doStream"]>>;
type Stream = StreamResult["stream"];
type Part = Stream extends ReadableStream<infer P> ? P : never;
export type FinishReason = Extract<Part, { type: "finish" }>["finishReason"];

/** Parts that a stream may begin with before the model has said anything. */
const PREAMBLE: ReadonlySet<Part["type"]> = new Set([
  "stream-start",
  "response-metadata",
  "text-start",
  "reasoning-start",
  "ping",
  "raw",
]);

/** What becomes known of a turn's calls while they are answered. */
export interface Watcher {
  /** Called at the end of each call of the model. */
  used(usage: Usage): void;
  /** Called for each piece of output, with its length in characters. What it throws ends the call. */
  received(chars: number): void;
  /** Called with the size in bytes of an event that is not complete yet. What it throws ends the call. */
  gathered(bytes: number): void;
}

export interface Guard {
  readonly source: Source;
  /** The messages between the instructions and the prompt of this turn. */
  readonly history: readonly Message[];
  /** This provider's own word for how a call ended. */
  readonly lastWord: (reason: FinishReason) => string | undefined;
  readonly watcher: Watcher;
}

/**
 * The same model for one turn, with each error and ending of its provider translated where it arises. A request that
 * the provider refuses as too long is sent once more, with half of the history.
 */
export function guarded(model: Model, { source, history, lastWord, watcher }: Guard): Model {
  let sent = history;
  const fitting = (prompt: Prompt): Prompt => [
    ...prompt.slice(0, 1),
    ...prompt.slice(1 + history.length - sent.length),
  ];
  return wrapLanguageModel({
    model,
    middleware: {
      async wrapStream({ model: inner, params }) {
        const { abortSignal } = params;
        const open = async (): Promise<StreamResult> => {
          const prompt = acceptable(fitting(params.prompt));
          const { stream, ...rest } = await inner.doStream({ ...params, prompt });
          return {
            ...rest,
            stream: await begun(stream, abortSignal, (part) => watched(part, lastWord, watcher)),
          };
        };
        try {
          return await open().catch((error) => {
            const canShorten = sent === history && history.length > 0;
            if (abortSignal?.aborted || !mayBeTooLong(error) || !canShorten) throw error;
            sent = newerHalf(history);
            return open();
          });
        } catch (error) {
          if (abortSignal?.aborted || isWorthRetrying(error)) throw error;
          throw new WorkerError(modelFault(error, source));
        }
      },
    },
  });
}

/**
 * The prompt without what some providers refuse: unpaired surrogates, which JSON allows, and blank texts, which models
 * often produce before they call a tool.
 */
function acceptable(prompt: Prompt): Prompt {
  const wellFormed: Prompt = JSON.parse(
    JSON.stringify(prompt, (_, value: unknown) => (typeof value === "string" ? value.toWellFormed() : value)),
  );
  return wellFormed.map((message) =>
    message.role === "assistant"
      ? { ...message, content: message.content.filter((part) => part.type !== "text" || !isBlank(part.text)) }
      : message,
  );
}

/**
 * The stream, once the model has begun to answer. Throws the error if the request is refused as too long before that,
 * when nothing has been read yet.
 *
 * It is not cancelled once its signal has aborted the request: the provider drops the promise of such a cancellation,
 * which fails, and the runtime would log it together with the whole conversation.
 */
async function begun(
  stream: Stream,
  signal: AbortSignal | undefined,
  pass: (part: Part) => Part,
): Promise<Stream> {
  const reader = stream.getReader();
  const preamble: Part[] = [];
  let first: Awaited<ReturnType<typeof reader.read>> | undefined = await reader.read();
  while (!first.done && PREAMBLE.has(first.value.type)) {
    preamble.push(first.value);
    first = await reader.read();
  }
  if (!first.done && first.value.type === "error" && mayBeTooLong(first.value.error)) {
    reader.cancel().catch(() => undefined);
    throw first.value.error;
  }
  return new ReadableStream<Part>({
    start(controller) {
      for (const part of preamble) controller.enqueue(part);
    },
    async pull(controller) {
      const { done, value } = first ?? (await reader.read());
      first = undefined;
      if (done) return controller.close();
      try {
        controller.enqueue(pass(value));
      } catch (error) {
        reader.cancel(error).catch(() => undefined);
        throw error;
      }
    },
    async cancel(reason) {
      if (!signal?.aborted) await reader.cancel(reason);
    },
  });
}

/** Counts the output and the end of a call, and translates its end; other parts stay as they are. */
function watched(part: Part, lastWord: Guard["lastWord"], watcher: Watcher): Part {
  if ("delta" in part) watcher.received(part.delta.length);
  if (part.type !== "finish") return part;
  const { usage } = part;
  watcher.used({
    inputTokens: countOf(usage?.inputTokens?.total),
    outputTokens: countOf(usage?.outputTokens?.total),
  });
  const { raw } = part.finishReason;
  return { ...part, finishReason: { unified: endingOf(lastWord(part.finishReason)), raw } };
}

/** Some servers report no usage, or nonsense. */
function countOf(tokens: number | undefined): number {
  return Number.isSafeInteger(tokens) ? Math.max(0, tokens ?? 0) : 0;
}
