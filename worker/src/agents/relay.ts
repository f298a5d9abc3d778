import type { TextStreamPart, ToolSet } from "ai";
import { WorkerError } from "../errors.ts";
import { isHighSurrogate } from "../text.ts";
import type { Turn } from "./agent.ts";
import { type Ending, endingOf } from "./endings.ts";
import { endingFault, modelFault, type Source } from "./provider_errors.ts";
import { toolFailed, toolReturned, toolUse } from "./tool_status.ts";

/** Passes a model's stream to the caller, in order. */
export class Relay {
  readonly #announced = new Map<string, PromiseWithResolvers<void>>();
  #text = "";
  /** The first half of a character whose second half is still to come. */
  #half = "";
  #isNewStep = false;
  #toolCalls = 0;

  constructor(
    private readonly turn: Turn,
    private readonly source: Source,
    /** Called with the length of each result of a tool, in characters. What it throws ends the turn. */
    private readonly received: (chars: number) => void,
  ) {}

  /** The whole text of the turn so far. */
  get text(): string {
    return this.#text;
  }

  /** Resolves once the caller was notified of a tool call. Only then may the tool run, since it may ask the caller. */
  announced(toolCallId: string): Promise<void> {
    return this.#announcement(toolCallId).promise;
  }

  /** Throws WorkerError if the part is a failure, or the end of a call that is not complete. */
  async pass(part: TextStreamPart<ToolSet>): Promise<void> {
    switch (part.type) {
      case "start-step":
        this.#isNewStep = true;
        this.#toolCalls = 0;
        return;
      case "text-delta":
        return await this.#say(part.text);
      case "text-end":
        return await this.#sayHalf();
      case "tool-call":
        await this.#sayHalf();
        this.#toolCalls += 1;
        await this.turn.status((limit) => toolUse(part, limit));
        return this.#announcement(part.toolCallId).resolve();
      case "tool-result":
        this.received(String(part.output).length);
        return await this.turn.status((limit) => toolReturned(part, limit));
      case "tool-error":
        return await this.turn.status((limit) => toolFailed(part, limit));
      case "finish-step":
        await this.#sayHalf();
        return this.#finish(endingOf(part.finishReason));
      case "error":
        throw new WorkerError(modelFault(part.error, this.source));
      default:
        // Reasoning, sources and bookkeeping are not for the caller.
        return;
    }
  }

  #finish(ending: Ending): void {
    const fault = endingFault(ending, this.#toolCalls, this.source);
    if (fault) throw new WorkerError(fault);
  }

  async #say(text: string): Promise<void> {
    const whole = this.#half + text;
    const end = isHighSurrogate(whole.charCodeAt(whole.length - 1)) ? whole.length - 1 : whole.length;
    this.#half = whole.slice(end);
    await this.#send(whole.slice(0, end).toWellFormed());
  }

  /** Half a character at the end becomes U+FFFD. */
  async #sayHalf(): Promise<void> {
    const half = this.#half.toWellFormed();
    this.#half = "";
    await this.#send(half);
  }

  /** Text of a later step starts a new paragraph, since the model does not know how the previous text ended. */
  async #send(text: string): Promise<void> {
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
