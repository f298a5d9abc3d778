import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SHOWN_CHARS, toolFailed, toolReturned, toolUse } from "../../src/agents/tool_status.ts";
import { ToolError } from "../../src/agents/tools/tool_error.ts";

const decoded = (status: string) => JSON.parse(status.slice(status.indexOf(":") + 1));

test("shows a call and its result", () => {
  const call = toolUse(
    { toolCallId: "c1", toolName: "web_fetch", input: { url: "https://example.com" } },
    MAX_SHOWN_CHARS,
  );
  assert.equal(call, 'tool_use:{"id":"c1","name":"web_fetch","input":{"url":"https://example.com"}}');
  const result = toolReturned({ toolCallId: "c1", output: "text" }, MAX_SHOWN_CHARS);
  assert.equal(result, 'tool_result:{"tool_use_id":"c1","output":"text","is_error":false}');
});

test("shows our own reasons, and no others", () => {
  const own = decoded(
    toolFailed({ toolCallId: "c1", error: new ToolError("too many redirects") }, MAX_SHOWN_CHARS),
  );
  assert.deepEqual(own, { tool_use_id: "c1", output: "too many redirects", is_error: true });
  const other = decoded(toolFailed({ toolCallId: "c1", error: new Error("a secret") }, MAX_SHOWN_CHARS));
  assert.doesNotMatch(other.output, /secret/);
});

test("shows the beginning of what is long", () => {
  const input = decoded(
    toolUse({ toolCallId: "c1", toolName: "t", input: { a: "x".repeat(MAX_SHOWN_CHARS) } }, MAX_SHOWN_CHARS),
  ).input;
  assert.equal(input._truncated, true);
  assert.equal(input._preview.length, MAX_SHOWN_CHARS);
  const { output } = decoded(
    toolReturned({ toolCallId: "c1", output: "x".repeat(MAX_SHOWN_CHARS + 1) }, MAX_SHOWN_CHARS),
  );
  assert.equal(output, `${"x".repeat(MAX_SHOWN_CHARS)}… [cut]`);
});

test("shows an input that is not JSON as missing", () => {
  assert.equal(
    toolUse({ toolCallId: "c1", toolName: "t", input: undefined }, MAX_SHOWN_CHARS),
    'tool_use:{"id":"c1","name":"t"}',
  );
});

test("never shows half a character", () => {
  const { output } = decoded(toolReturned({ toolCallId: "c1", output: "😀".repeat(9) }, 3));
  assert.equal(output, "😀… [cut]");
  const { input } = decoded(toolUse({ toolCallId: "c1", toolName: "t", input: { a: "😀" } }, 7));
  assert.equal(input._preview, '{"a":"');
});

test("half a character that a model made up is replaced", () => {
  const { input } = decoded(toolUse({ toolCallId: "c1", toolName: "t", input: { a: ["\ud83d"] } }, 100));
  assert.deepEqual(input, { a: ["\ufffd"] });
  assert.equal(decoded(toolReturned({ toolCallId: "c1", output: "a\ude00" }, 100)).output, "a\ufffd");
});
