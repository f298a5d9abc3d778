import { tool } from "ai";
import { z } from "zod";

const STATES = ["pending", "in_progress", "completed"] as const;

const todo = z.strictObject({
  content: z.string().min(1).max(500),
  status: z.enum(STATES),
});

type Todo = z.infer<typeof todo>;

/** A plan that the caller can watch in the `tool_use` chunks. Each call replaces it, and it ends with the turn. */
export const todoWrite = tool({
  description:
    "Write down the steps of a task that needs several, and keep their states up to date. Every call replaces the whole list.",
  inputSchema: z.strictObject({ todos: z.array(todo).max(50) }),
  execute: ({ todos }) => summary(todos),
});

export function summary(todos: readonly Todo[]): string {
  const counts = STATES.map((state) => `${todos.filter(({ status }) => status === state).length} ${state}`);
  return `The list is written: ${counts.join(", ")}.`;
}
