import { beginning } from "../text.ts";
import { ToolError } from "./tools/tool_error.ts";

/** Most characters of a tool's input or output in a status chunk: enough to follow along. */
export const MAX_SHOWN_CHARS = 4000;

interface Call {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
}

/** `tool_use:{"id", "name", "input"}`. Of an input that is too large, the beginning of its JSON is shown. */
export function toolUse({ toolCallId, toolName, input }: Call, limit: number): string {
  const json = jsonOf(input) ?? "null";
  const shown = json.length <= limit ? input : { _truncated: true, _preview: beginning(json, limit) };
  return `tool_use:${jsonOf({ id: toolCallId, name: toolName, input: shown })}`;
}

interface Returned {
  readonly toolCallId: string;
  readonly output: unknown;
}

/** `tool_result:{"tool_use_id", "output", "is_error"}` of a tool that succeeded. */
export function toolReturned({ toolCallId, output }: Returned, limit: number): string {
  return toolResult(toolCallId, String(output), false, limit);
}

interface Failed {
  readonly toolCallId: string;
  readonly error: unknown;
}

/** The same of a tool that failed. Only messages of our own are shown: other errors may quote anything. */
export function toolFailed({ toolCallId, error }: Failed, limit: number): string {
  const reason = error instanceof ToolError ? error.message : "the tool could not run this call";
  return toolResult(toolCallId, reason, true, limit);
}

function toolResult(id: string, output: string, isError: boolean, limit: number): string {
  const shown = output.length <= limit ? output : `${beginning(output, limit)}… [cut]`;
  return `tool_result:${jsonOf({ tool_use_id: id, output: shown, is_error: isError })}`;
}

/** JSON without half characters: a model may escape one, and many readers refuse it. */
function jsonOf(value: unknown): string | undefined {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "string" ? part.toWellFormed() : part));
}
