import type { Agent } from "./agent.ts";

/** Answers with the prompt, to the byte. It has nothing to remember. */
export const echo: Agent = {
  check() {},
  async answer(turn) {
    await turn.text(turn.prompt);
    return "";
  },
};
