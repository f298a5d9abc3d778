import { isBlank } from "../text.ts";
import type { Message } from "./agent.ts";

/** Characters of earlier messages that a model is sent, about 50,000 English tokens: enough for every current model. */
export const MAX_HISTORY_CHARS = 200_000;

/**
 * The newest messages within both bounds, oldest first. The first one is the user's, as providers require. A message
 * that does not fit is left out as a whole.
 */
export function recent(
  history: readonly Message[],
  limit: number,
  maxChars = MAX_HISTORY_CHARS,
): readonly Message[] {
  const kept: Message[] = [];
  let room = maxChars;
  for (const message of withoutBlankTurns(limit === 0 ? [] : history.slice(-limit)).reverse()) {
    room -= message.content.length;
    if (room < 0) break;
    kept.unshift(message);
  }
  const opening = kept.findIndex(({ role }) => role === "user");
  return opening < 0 ? [] : kept.slice(opening);
}

/** The newest messages with at most half of the characters of all. */
export function newerHalf(history: readonly Message[]): readonly Message[] {
  const chars = history.reduce((sum, { content }) => sum + content.length, 0);
  return recent(history, history.length, Math.floor(chars / 2));
}

/**
 * Some providers refuse every request that contains a blank message. The other message of its turn is left out too, so
 * that prompts and answers still alternate.
 */
function withoutBlankTurns(history: readonly Message[]): Message[] {
  return history.filter((message, index) => {
    const other = history[message.role === "user" ? index + 1 : index - 1];
    return !isBlank(message.content) && (other === undefined || !isBlank(other.content));
  });
}
