import { tool } from "ai";
import { z } from "zod";
import { WorkerError } from "../../errors.ts";
import { isBlank } from "../../text.ts";
import type { Turn } from "../agent.ts";
import { ToolError } from "./tool_error.ts";

const input = z.strictObject({
  question: z.string().min(1).max(4000),
  options: z
    .array(z.string().min(1).max(500))
    .max(10)
    .optional()
    .describe("Suggested answers; the caller may give another one."),
});

/** Asks the sender of the prompt, on the open stream of the turn. */
export function askUserQuestion(turn: Turn) {
  return tool({
    description:
      "Ask the person or agent that sent the prompt one question, and wait for the answer. Use it only if you cannot go on without the answer.",
    inputSchema: input,
    execute: (asked) => ask(turn, wording(asked)),
  });
}

/** Without an answer the model continues. Only the end of the turn is an error. */
async function ask(turn: Turn, question: string): Promise<string> {
  try {
    const answer = await turn.ask(question.toWellFormed());
    // Some providers refuse to be sent a blank text.
    return isBlank(answer) ? "(a blank answer)" : answer;
  } catch (error) {
    if (turn.signal.aborted || !(error instanceof WorkerError)) throw error;
    throw new ToolError(error.fault.message);
  }
}

function wording({ question, options = [] }: z.infer<typeof input>): string {
  return [question, ...options.map((option, index) => `${index + 1}. ${option}`)].join("\n");
}
