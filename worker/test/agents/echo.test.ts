import assert from "node:assert/strict";
import { test } from "node:test";
import type { Turn } from "../../src/agents/agent.ts";
import { echo } from "../../src/agents/echo.ts";

test("answers with the prompt and reads no history, which would delay the answer", async () => {
  const said: string[] = [];
  const turn = {
    prompt: "hello",
    history() {
      throw new Error("read");
    },
    text: async (chunk) => void said.push(chunk),
  } as Partial<Turn> as Turn;
  assert.equal(await echo.answer(turn), "");
  assert.deepEqual(said, ["hello"]);
});
