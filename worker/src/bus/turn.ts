import type { Message, Turn } from "../agents/agent.ts";
import { MAX_SHOWN_CHARS } from "../agents/tool_status.ts";
import { WorkerError } from "../errors.ts";
import { timerMs } from "../limits.ts";
import type { Bus } from "./bus.ts";
import { envelopeOf } from "./envelope.ts";
import type { Job } from "./turns.ts";

/** What an agent is given to answer one job. Once the signal is aborted, everything in it throws. */
export function turnOf(
  job: Job,
  signal: AbortSignal,
  history: readonly Message[],
  bus: Bus,
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
    ask: (question) => ask(job, signal, question, bus, queryLimitS),
  };
}

/** What is written with as much shown as fits. */
function longest(write: (most: number) => string, fits: (text: string) => boolean): string {
  let most = MAX_SHOWN_CHARS;
  while (most > 0 && !fits(write(most))) most = Math.floor(most / 2);
  return write(most);
}

async function ask(
  job: Job,
  signal: AbortSignal,
  question: string,
  bus: Bus,
  limitS: number,
): Promise<string> {
  signal.throwIfAborted();
  const { subject, answer, forget } = bus.question();
  const { promise: never, reject } = Promise.withResolvers<never>();
  const late = setTimeout(() => reject(unanswered(limitS)), timerMs(limitS));
  const aborted = () => reject(signal.reason);
  signal.addEventListener("abort", aborted);
  try {
    job.reply.query({ id: crypto.randomUUID(), reply_subject: subject, prompt: question });
    return envelopeOf(await Promise.race([answer, never]), bus.maxPayload).prompt.toWellFormed();
  } finally {
    clearTimeout(late);
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
