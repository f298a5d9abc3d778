import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentContext, Turn } from "../../src/agents/agent.ts";
import { modelAgent } from "../../src/agents/model.ts";
import type { Usage } from "../../src/tally.ts";

/** What these tests cannot show through a running Worker: orders that only a slow caller makes visible, and lost promises. */

function event(delta: object, finish: string | null = null): string {
  const choices = [{ index: 0, delta: { role: "assistant", ...delta }, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: "gen-1", model: "m", object: "chat.completion.chunk", created: 1, choices })}\n\n`;
}

function say(text: string): string {
  return `${event({ content: text })}${event({}, "stop")}data: [DONE]\n\n`;
}

function call(name: string, input: object): string {
  const tool = {
    index: 0,
    id: "call_1",
    type: "function",
    function: { name, arguments: JSON.stringify(input) },
  };
  return `${event({ tool_calls: [tool] })}${event({}, "tool_calls")}data: [DONE]\n\n`;
}

function streamed(body: BodyInit): Response {
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}

function contextOf(
  fetch: (init: RequestInit) => Response,
  settings: AgentContext["settings"] = {},
): AgentContext {
  return {
    env: { OPENROUTER_API_KEY: "key", AI_GATEWAY_API_KEY: "key" } as AgentContext["env"],
    settings,
    fetch: (async (_: string, init: RequestInit) => fetch(init)) as typeof globalThis.fetch,
  };
}

/** A turn of a caller that is slow to take each chunk. */
function slowTurn(signal: AbortSignal, log: string[]): Turn {
  const note = async (entry: string) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    log.push(entry);
  };
  return {
    prompt: "hello",
    signal,
    history: () => [],
    text: note,
    status: (write) => note(write(100).split(":", 1).join()),
    used: () => undefined,
    ask: async (question) => {
      log.push(`ask ${question}`);
      return "yes";
    },
  };
}

test("a tool runs when the caller knows of it, however slowly the caller reads", async () => {
  const script = [
    `${event({ content: "one" })}${event({ content: "two" })}${call("ask_user_question", { question: "Q" })}`,
    say("end"),
  ];
  const log: string[] = [];
  const agent = modelAgent(
    "pi",
    contextOf(() => streamed(script.shift() ?? "")),
  );
  const answer = await agent.answer(slowTurn(new AbortController().signal, log));
  assert.deepEqual(log, ["one", "two", "tool_use", "ask Q", "tool_result", "\n\nend"]);
  assert.equal(answer, "onetwo\n\nend");
});

test("the tokens of every call are counted, also of one whose tool is still running", async () => {
  const counted = (prompt: number, completion: number) => {
    const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: 0 };
    const chunk = {
      id: "gen-1",
      model: "m",
      object: "chat.completion.chunk",
      created: 1,
      choices: [],
      usage,
    };
    return (stream: string) =>
      stream.replace("data: [DONE]", `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]`);
  };
  const script = [counted(7, 5)(call("ask_user_question", { question: "Q" })), counted(20, 1)(say("end"))];
  const log: string[] = [];
  const turn: Turn = {
    ...slowTurn(new AbortController().signal, log),
    used: ({ inputTokens, outputTokens }) => log.push(`${inputTokens}+${outputTokens}`),
  };
  const agent = modelAgent(
    "pi",
    contextOf(() => streamed(script.shift() ?? "")),
  );
  await agent.answer(turn);
  assert.ok(log.indexOf("7+5") < log.indexOf("tool_result"), log.join());
  assert.deepEqual(
    log.filter((entry) => entry.includes("+")),
    ["7+5", "20+1"],
  );
});

test("a provider that counts nonsense, or nothing, counts for nothing", async () => {
  for (const usage of [
    '"usage": {"inputTokens": {"total": -1}, "outputTokens": {"total": 0.5}}',
    '"usage": {"inputTokens": {}, "outputTokens": {}}',
  ]) {
    const finish = `{"type": "finish", "finishReason": {"unified": "stop"}, ${usage}}`;
    const parts = [
      '{"type": "text-start", "id": "0"}',
      '{"type": "text-delta", "id": "0", "delta": "hi"}',
      finish,
    ];
    const script = parts.map((part) => `data: ${part}\n\n`).join("");
    const agent = modelAgent(
      "pi",
      contextOf(() => streamed(script), { OPEN_AGENT_PROVIDER: "gateway" }),
    );
    const used: Usage[] = [];
    await agent.answer({
      ...slowTurn(new AbortController().signal, []),
      used: (one) => used.push(one),
    });
    assert.deepEqual(used, [{ inputTokens: 0, outputTokens: 0 }]);
  }
});

/** What the runtime would print while `body` runs and just after. */
async function printed(
  event: "unhandledRejection" | "warning",
  body: () => Promise<void>,
): Promise<unknown[]> {
  const found: unknown[] = [];
  const note = (what: unknown) => found.push(what);
  process.on(event, note);
  await body();
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off(event, note);
  return found;
}

test("a provider's warnings are not printed", async () => {
  const parts = [
    { type: "stream-start", warnings: [{ type: "other", message: "quotes the prompt" }] },
    { type: "text-start", id: "0" },
    { type: "text-delta", id: "0", delta: "hi" },
    {
      type: "finish",
      finishReason: { unified: "stop", raw: "stop" },
      usage: { inputTokens: {}, outputTokens: {} },
    },
  ];
  const script = parts.map((part) => `data: ${JSON.stringify(part)}\n\n`).join("");
  const agent = modelAgent(
    "pi",
    contextOf(() => streamed(script), { OPEN_AGENT_PROVIDER: "gateway" }),
  );
  const warnings = await printed("warning", async () => {
    assert.equal(await agent.answer(slowTurn(new AbortController().signal, [])), "hi");
  });
  assert.deepEqual(warnings, []);
});

test("an interrupted stream leaves no promise behind that the runtime would log", async () => {
  const turn = new AbortController();
  const open = (init: RequestInit) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(event({ content: "par" })));
        init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
      },
    });
    return streamed(body as BodyInit);
  };
  const answer = modelAgent("pi", contextOf(open)).answer({
    ...slowTurn(turn.signal, []),
    text: async () => turn.abort(new Error("interrupted")),
  });
  const lost = await printed("unhandledRejection", () => assert.rejects(answer, /^Error: interrupted$/));
  assert.deepEqual(lost, []);
});

test("a JSON body without end is not read to its end", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) =>
      controller.enqueue(new TextEncoder().encode(`{"error": {"code": 429}}${" ".repeat(9999)}`)),
    cancel() {
      cancelled = true;
    },
  });
  const endless = () => new Response(body as BodyInit, { headers: { "Content-Type": "application/json" } });
  const answer = modelAgent("pi", contextOf(endless)).answer(slowTurn(new AbortController().signal, []));
  await assert.rejects(answer, /broke off/);
  assert.ok(cancelled);
});
