/** Thrown by a tool that cannot do what the model asked. Its message goes to the model and into the `tool_result` chunk. */
export class ToolError extends Error {
  override readonly name = "ToolError";
}
