import type { TextStreamPart, ToolSet } from "ai";
import { WorkerError } from "../errors.ts";
import type { Turn } from "./agent.ts";
import { type Ending, modelFault, type Source } from "./provider_errors.ts";
import { toolFailed, toolReturned, toolUse } from "./tool_status.ts";

/** Carries what a model's stream says to the caller, in the order of the stream. */
export class Relay {
  readonly #announced = new Map<string, PromiseWithResolvers<void>>();
  #text = "";
  #isNewStep = false;
  #ending: Ending | undefined;

  constructor(
    private readonly turn: Turn,
    private readonly source: Source,
  ) {}

  /** Everything said in the turn so far. */
  get text(): string {
    return this.#text;
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Resolves when the caller has been told of a tool call: only then may the tool run, for it may ask the caller itself. */
  announced(toolCallId: string): Promise<void> {
    return this.#announcement(toolCallId).promise;
  }

  /** Throws WorkerError when the part is a failure. */
  async pass(part: TextStreamPart<ToolSet>): Promise<void> {
    switch (part.type) {
      case "start-step":
        this.#isNewStep = true;
        return;
      case "text-delta":
        return await this.#say(part.text);
      case "tool-call":
        await this.turn.status((limit) => toolUse(part, limit));
        return this.#announcement(part.toolCallId).resolve();
      case "tool-result":
        return await this.turn.status((limit) => toolReturned(part, limit));
      case "tool-error":
        return await this.turn.status((limit) => toolFailed(part, limit));
      case "finish-step":
        this.#ending = { reason: part.finishReason, raw: part.rawFinishReason };
        return;
      case "error":
        throw new WorkerError(modelFault(part.error, this.source));
      default:
        // Reasoning, sources and bookkeeping are not for the caller.
        return;
    }
  }

  /** Text of a later step starts a paragraph of its own: the steps know nothing of each other's last character. */
  async #say(text: string): Promise<void> {
    if (text === "") return;
    const chunk = this.#isNewStep && this.#text !== "" ? `\n\n${text}` : text;
    this.#isNewStep = false;
    this.#text += chunk;
    await this.turn.text(chunk);
  }

  #announcement(toolCallId: string): PromiseWithResolvers<void> {
    const known = this.#announced.get(toolCallId);
    if (known) return known;
    const made = Promise.withResolvers<void>();
    this.#announced.set(toolCallId, made);
    return made;
  }
}
