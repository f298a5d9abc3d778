import { SIGN_MS } from "./calls.ts";
import { type Env, registryOf } from "./env.ts";
import type { AgentRow } from "./listing.ts";
import { errorDetail, warn } from "./log.ts";

/** How long changes are collected before they are reported, in milliseconds. */
const REPORT_MS = 5_000;

/** An agent as it is reported, and why it is not on the bus; undefined if it is. */
export interface Report {
  readonly row: AgentRow;
  readonly cause: string | undefined;
}

/** Reports an agent to the Registry: what has changed, and now and then that it is alive. */
export class SessionReports {
  #timer: number | null = null;
  #cause: string | undefined;
  #sentAt = 0;

  constructor(
    private readonly env: Env,
    /** Undefined if nothing is to be reported: there is no agent, or its hub reports it. */
    private readonly current: () => Report | undefined,
  ) {}

  /** Whether a report was sent since this object was restarted. */
  get hasBegun(): boolean {
    return this.#sentAt > 0;
  }

  /** Reports what has changed a little later, with what changes until then. */
  sendSoon(): void {
    this.#timer ??= setTimeout(() => void this.send(), REPORT_MS);
  }

  /** Reports that the agent is on the bus again, or no longer. */
  linked(): void {
    const report = this.current();
    if (report && report.cause !== this.#cause) this.sendSoon();
  }

  /** Reports that the agent is alive, if it has not been reported for a while. */
  async sign(): Promise<void> {
    if (Date.now() - this.#sentAt >= SIGN_MS) await this.send();
  }

  /** Reports the agent, again and again until that succeeds. */
  async send(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const report = this.current();
    if (report === undefined) return;
    const { row, cause } = report;
    try {
      await registryOf(this.env).report(row.session, [row], cause);
      this.#sentAt = Date.now();
      this.#cause = cause;
    } catch (thrown) {
      warn("not reported", { session: row.session, ...errorDetail(thrown) });
      this.sendSoon();
    }
  }
}
