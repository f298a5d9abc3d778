import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentContext, Turn } from "../../src/agents/agent.ts";
import { modelAgent } from "../../src/agents/model.ts";

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

function contextOf(fetch: (init: RequestInit) => Response): AgentContext {
  return {
    env: { OPENROUTER_API_KEY: "key" } as AgentContext["env"],
    settings: {},
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
    history: [],
    text: note,
    status: (data) => note(data.slice(0, data.indexOf(":"))),
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

test("an interrupted stream leaves no promise behind that the runtime would log", async () => {
  const lost: unknown[] = [];
  const note = (reason: unknown) => lost.push(reason);
  process.on("unhandledRejection", note);
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
  await assert.rejects(answer, /^Error: interrupted$/);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", note);
  assert.deepEqual(lost, []);
});
