/** A tool that could not do what the model asked. The sentence goes to the model and into the `tool_result` chunk. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}
