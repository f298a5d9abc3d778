import type { Message, Turn } from "../agents/agent.ts";
import { MAX_SHOWN_CHARS } from "../agents/tool_status.ts";
import { WorkerError } from "../errors.ts";
import { timerMs } from "../limits.ts";
import { envelopeOf } from "./envelope.ts";
import type { Outbox } from "./outbox.ts";
import type { Job } from "./queue.ts";

/** The turn of one job, as its agent sees it. Everything in it throws once the signal is aborted. */
export function turnOf(
  job: Job,
  signal: AbortSignal,
  history: readonly Message[],
  outbox: Outbox,
  queryLimitS: number,
): Turn {
  return {
    prompt: job.envelope.prompt,
    signal,
    history,
    async text(chunk) {
      signal.throwIfAborted();
      job.reply.response(chunk);
    },
    async status(write) {
      signal.throwIfAborted();
      job.reply.status(longest(write, (data) => job.reply.carries(data)));
    },
    ask: (question) => ask(job, signal, question, outbox, queryLimitS),
  };
}

/** The text with the largest excerpt that still fits. */
function longest(write: (limit: number) => string, fits: (text: string) => boolean): string {
  let limit = MAX_SHOWN_CHARS;
  while (limit > 0 && !fits(write(limit))) limit = Math.floor(limit / 2);
  return write(limit);
}

async function ask(
  job: Job,
  signal: AbortSignal,
  question: string,
  outbox: Outbox,
  limitS: number,
): Promise<string> {
  signal.throwIfAborted();
  const { subject, answer, forget } = outbox.question();
  const { promise: never, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(unanswered(limitS)), timerMs(limitS));
  const aborted = () => reject(signal.reason);
  signal.addEventListener("abort", aborted);
  try {
    job.reply.query({ id: crypto.randomUUID(), reply_subject: subject, prompt: question });
    return envelopeOf(await Promise.race([answer, never]), outbox.maxPayload).prompt.toWellFormed();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", aborted);
    forget();
  }
}

function unanswered(limitS: number): WorkerError {
  return new WorkerError({
    code: "unanswered",
    message: `the caller did not answer the question within ${limitS} s`,
  });
}
