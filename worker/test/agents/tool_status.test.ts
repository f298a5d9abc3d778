import assert from "node:assert/strict";
import { test } from "node:test";
import { SHOWN, toolFailed, toolReturned, toolUse } from "../../src/agents/tool_status.ts";
import { ToolError } from "../../src/agents/tools/tool_error.ts";

const decoded = (status: string) => JSON.parse(status.slice(status.indexOf(":") + 1));

test("shows a call and its result", () => {
  const call = toolUse(
    { toolCallId: "c1", toolName: "web_fetch", input: { url: "https://example.com" } },
    SHOWN,
  );
  assert.equal(call, 'tool_use:{"id":"c1","name":"web_fetch","input":{"url":"https://example.com"}}');
  const result = toolReturned({ toolCallId: "c1", output: "text" }, SHOWN);
  assert.equal(result, 'tool_result:{"tool_use_id":"c1","output":"text","is_error":false}');
});

test("shows our own reasons, and no others", () => {
  const own = decoded(toolFailed({ toolCallId: "c1", error: new ToolError("too many redirects") }, SHOWN));
  assert.deepEqual(own, { tool_use_id: "c1", output: "too many redirects", is_error: true });
  const other = decoded(toolFailed({ toolCallId: "c1", error: new Error("a secret") }, SHOWN));
  assert.doesNotMatch(other.output, /secret/);
});

test("shows the beginning of what is long", () => {
  const input = decoded(
    toolUse({ toolCallId: "c1", toolName: "t", input: { a: "x".repeat(SHOWN) } }, SHOWN),
  ).input;
  assert.equal(input._truncated, true);
  assert.equal(input._preview.length, SHOWN);
  const { output } = decoded(toolReturned({ toolCallId: "c1", output: "x".repeat(SHOWN + 1) }, SHOWN));
  assert.equal(output, `${"x".repeat(SHOWN)}… [cut]`);
});

test("survives an input that is no JSON", () => {
  assert.equal(
    toolUse({ toolCallId: "c1", toolName: "t", input: undefined }, SHOWN),
    'tool_use:{"id":"c1","name":"t"}',
  );
});

test("never shows half a character", () => {
  const { output } = decoded(toolReturned({ toolCallId: "c1", output: "😀".repeat(9) }, 3));
  assert.equal(output, "😀… [cut]");
  const { input } = decoded(toolUse({ toolCallId: "c1", toolName: "t", input: { a: "😀" } }, 7));
  assert.equal(input._preview, '{"a":"');
});
