import { tool } from "ai";
import { z } from "zod";
import { WorkerError } from "../../errors.ts";
import type { Turn } from "../agent.ts";
import { ToolError } from "./tool_error.ts";

const input = z.strictObject({
  question: z.string().min(1).max(4000),
  options: z
    .array(z.string().min(1).max(500))
    .max(10)
    .optional()
    .describe("Answers to choose from; another one may come."),
});

/** A question to whoever sent the prompt, asked on the open stream of the turn. */
export function askUserQuestion(turn: Turn) {
  return tool({
    description:
      "Ask the person or agent that sent the prompt one question, and wait for the answer. Use it only when you cannot go on without.",
    inputSchema: input,
    execute: (asked) => ask(turn, wording(asked)),
  });
}

/** Without an answer the model goes on and may do without one; only an end of the turn ends the question for good. */
async function ask(turn: Turn, question: string): Promise<string> {
  try {
    return await turn.ask(question);
  } catch (error) {
    if (turn.signal.aborted || !(error instanceof WorkerError)) throw error;
    throw new ToolError(error.fault.message);
  }
}

export function wording({ question, options = [] }: z.infer<typeof input>): string {
  return [question, ...options.map((option, index) => `${index + 1}. ${option}`)].join("\n");
}
