import type { Message } from "./agent.ts";

/** Characters of earlier messages that a model is sent, about 50,000 tokens: small enough for every current model. */
export const MAX_HISTORY_CHARS = 200_000;

/**
 * The newest messages that fit both bounds, oldest first. They begin with the user's side, as the providers demand;
 * what does not fit is left out as a whole message, never cut.
 */
export function recent(history: readonly Message[], limit: number): readonly Message[] {
  const kept: Message[] = [];
  let room = MAX_HISTORY_CHARS;
  for (const message of limit === 0 ? [] : history.slice(-limit).reverse()) {
    room -= message.content.length;
    if (room < 0) break;
    kept.unshift(message);
  }
  const opening = kept.findIndex(({ role }) => role === "user");
  return opening < 0 ? [] : kept.slice(opening);
}
