import assert from "node:assert/strict";
import { test } from "node:test";
import type { TextStreamPart, ToolSet } from "ai";
import type { Turn } from "../../src/agents/agent.ts";
import { Relay } from "../../src/agents/relay.ts";

type Part = TextStreamPart<ToolSet>;

const source = {
  title: "OpenRouter",
  keyVar: "OPENROUTER_API_KEY",
  urlVar: "OPENROUTER_BASE_URL",
  model: "m",
} as const;

const said = (text: string) => ({ type: "text-delta", id: "0", text }) as Part;
const call = { type: "tool-call", toolCallId: "c1", toolName: "t", input: {} } as Part;
const textEnd = { type: "text-end", id: "0" } as Part;
const step = { type: "start-step" } as Part;
const finish = (finishReason: string) => ({ type: "finish-step", finishReason }) as Part;

/** What the caller is sent, a chunk each, and the text of the turn. */
async function relayed(...parts: Part[]): Promise<{ chunks: string[]; text: string }> {
  const chunks: string[] = [];
  const turn = {
    text: async (chunk) => void chunks.push(chunk),
    status: async (write) => void chunks.push(write(100)),
  } as Partial<Turn> as Turn;
  const relay = new Relay(turn, source, () => undefined);
  for (const part of parts) await relay.pass(part);
  return { chunks, text: relay.text };
}

test("a character whose halves come apart is sent as a whole", async () => {
  const parts = [
    step,
    said("a\ud83d"),
    { type: "raw", rawValue: 0 } as Part,
    said("\ude00b"),
    finish("stop"),
  ];
  assert.deepEqual(await relayed(...parts), { chunks: ["a", "😀b"], text: "a😀b" });
});

test("a half without the other becomes a replacement, in its place", async () => {
  assert.deepEqual((await relayed(step, said("a\ud83d"), textEnd)).chunks, ["a", "\ufffd"]);
  assert.deepEqual((await relayed(step, said("a\ud83d"), finish("stop"))).text, "a\ufffd");
  assert.deepEqual((await relayed(step, said("\ud83d"), said("b\ude00c"))).text, "\ufffdb\ufffdc");
  const [first, second, third] = (await relayed(step, said("a\ud83d"), call)).chunks;
  assert.deepEqual([first, second, third?.slice(0, 9)], ["a", "\ufffd", "tool_use:"]);
});

test("a later step starts a paragraph, whichever half it begins with", async () => {
  const parts = [
    step,
    said("one"),
    call,
    finish("tool-calls"),
    step,
    said("\ud83d"),
    said("\ude00"),
    textEnd,
  ];
  assert.equal((await relayed(...parts)).text, "one\n\n😀");
});

test("a call that is not complete ends the turn", async () => {
  for (const reason of ["length", "content-filter", "error", "other", "interrupted", "new"]) {
    await assert.rejects(relayed(step, said("a"), finish(reason)), /m/);
  }
  await assert.rejects(relayed(step, said("a"), finish("tool-calls")), /announced a tool call/);
  // The calls of an earlier step do not count.
  const parts = [step, call, finish("tool-calls"), step, finish("tool-calls")];
  await assert.rejects(relayed(...parts), /announced a tool call/);
});
