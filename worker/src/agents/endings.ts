import type { FinishReason } from "ai";

/** How a call of a model ended: complete, with calls of tools, cut at a limit, refused by a filter, or broken off. */
export type Ending = Extract<FinishReason, "stop" | "tool-calls" | "length" | "content-filter" | "error">;

/**
 * The words that end a call, in lower case and with underscores. OpenRouter passes on those of the models' own APIs;
 * the AI Gateway translates most of them into the keys of this table.
 */
const WORDS: Readonly<Record<Ending, readonly string[]>> = {
  stop: ["stop", "stop_sequence", "end_turn", "eos", "eos_token", "complete", "completed"],
  "tool-calls": ["tool_calls", "tool_call", "tool_use", "function_call"],
  length: [
    "length",
    "max_tokens",
    "max_output_tokens",
    "model_length",
    "model_context_window_exceeded",
    "context_length_exceeded",
  ],
  "content-filter": [
    "content_filter",
    "content_filtered",
    "refusal",
    "safety",
    "sensitive",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "language",
    "image_safety",
    "image_prohibited_content",
    "image_recitation",
    "guardrail_intervened",
    "error_toxic",
  ],
  error: [
    "error",
    "interrupted",
    "other",
    "unknown",
    "abort",
    "aborted",
    "cancelled",
    "user_cancel",
    "timeout",
    "network_error",
    "insufficient_system_resource",
    "error_limit",
    "finish_reason_unspecified",
    "malformed_function_call",
    "malformed_model_output",
    "malformed_tool_use",
    "unexpected_tool_call",
    "too_many_tool_calls",
    "pause_turn",
    "compaction",
  ],
};

const ENDINGS: ReadonlyMap<string, Ending> = new Map(
  Object.entries(WORDS).flatMap(([ending, words]) => words.map((word) => [word, ending as Ending])),
);

/** An unknown or missing word counts as an error: half an answer must never pass for a whole one. */
export function endingOf(word: string | undefined): Ending {
  return ENDINGS.get(word?.toLowerCase().replaceAll("-", "_") ?? "") ?? "error";
}
