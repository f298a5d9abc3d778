import { ToolError } from "./tools/tool_error.ts";

/** Characters of a tool's input or output that a status chunk shows: enough to follow, far below any `max_payload`. */
export const SHOWN = 4000;

interface Call {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
}

/** `tool_use:{"id", "name", "input"}`; a large input is shown by its beginning. */
export function toolUse({ toolCallId, toolName, input }: Call): string {
  const json = JSON.stringify(input) ?? "null";
  const shown = json.length <= SHOWN ? input : { _truncated: true, _preview: json.slice(0, SHOWN) };
  return `tool_use:${JSON.stringify({ id: toolCallId, name: toolName, input: shown })}`;
}

/** `tool_result:{"tool_use_id", "output", "is_error"}` of a tool that did its work. */
export function toolReturned({
  toolCallId,
  output,
}: {
  readonly toolCallId: string;
  readonly output: unknown;
}): string {
  return toolResult(toolCallId, String(output), false);
}

/** The same for one that did not. Only our own sentences are shown: other errors may quote anything. */
export function toolFailed({
  toolCallId,
  error,
}: {
  readonly toolCallId: string;
  readonly error: unknown;
}): string {
  return toolResult(
    toolCallId,
    error instanceof ToolError ? error.message : "the tool could not run this call",
    true,
  );
}

function toolResult(id: string, output: string, isError: boolean): string {
  const shown = output.length <= SHOWN ? output : `${output.slice(0, SHOWN)}… [cut]`;
  return `tool_result:${JSON.stringify({ tool_use_id: id, output: shown, is_error: isError })}`;
}
