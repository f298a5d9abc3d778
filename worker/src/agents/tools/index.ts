import type { Turn } from "../agent.ts";
import { askUserQuestion } from "./ask_user_question.ts";
import { todoWrite } from "./todo_write.ts";
import { webFetch } from "./web_fetch.ts";

/** The tools of a model in one turn. */
export function toolsOf(turn: Turn, fetch: typeof globalThis.fetch) {
  return {
    ask_user_question: askUserQuestion(turn),
    todo_write: todoWrite,
    web_fetch: webFetch(fetch, turn.signal),
  };
}
