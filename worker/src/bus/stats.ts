import { CODES, type Fault } from "../errors.ts";
import { beginning } from "../text.ts";

/** Nanoseconds, the unit of NATS, in a millisecond. */
const NS = 1_000_000;
/** Longest error that is shown, in characters. */
const MAX_ERROR_CHARS = 200;

/** What an endpoint has done since the agent was last put on the bus, as NATS micro services report it. */
export class EndpointStats {
  #requests = 0;
  #finished = 0;
  #errors = 0;
  #lastError = "";
  #timeMs = 0;

  /** Counts a request. The returned function counts its end, with its error, if any. */
  begin(): (fault?: Fault) => void {
    this.#requests += 1;
    const startedAt = Date.now();
    return (fault) => {
      this.#finished += 1;
      this.#timeMs += Date.now() - startedAt;
      if (fault === undefined) return;
      this.#errors += 1;
      this.#lastError = beginning(`${CODES[fault.code].bus}:${fault.message}`, MAX_ERROR_CHARS);
    };
  }

  /** The fields of `io.nats.micro.v1.stats_response`. Requests that are still being answered count in no time. */
  get report(): object {
    return {
      num_requests: this.#requests,
      num_errors: this.#errors,
      last_error: this.#lastError,
      processing_time: this.#timeMs * NS,
      average_processing_time: Math.round((this.#timeMs * NS) / Math.max(1, this.#finished)),
    };
  }
}
