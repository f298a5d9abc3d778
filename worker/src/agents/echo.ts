import type { Agent } from "./agent.ts";

/** Answers with the prompt, byte for byte, and remembers nothing. */
export const echo: Agent = {
  check() {},
  async answer(turn) {
    await turn.text(turn.prompt);
    return "";
  },
};
