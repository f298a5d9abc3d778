import { SIGN_MS } from "./calls.ts";
import { type Env, registryOf } from "./env.ts";
import type { HubMemory } from "./hub_memory.ts";
import type { AgentRow } from "./listing.ts";
import { errorDetail, warn } from "./log.ts";

/** What a hub knows about its agents. */
interface Source {
  /** Why none of them is on the bus; undefined if they are. */
  cause(): string | undefined;
  /** An agent as it is reported; undefined if it has left. */
  row(session: string): AgentRow | undefined;
}

/** Reports a hub's agents to the Registry: those that have changed, and now and then that the hub is alive. */
export class HubReports {
  /** Sessions whose agents have changed since they were reported. */
  readonly #changed = new Set<string>();
  #cause: string | undefined;
  #sentAt = 0;
  #sending: Promise<void> | undefined;

  constructor(
    private readonly env: Env,
    private readonly memory: Pick<HubMemory, "name">,
    private readonly source: Source,
  ) {}

  add(session: string): void {
    this.#changed.add(session);
  }

  /** Reports what has changed, unless a report is under way. */
  async send(): Promise<void> {
    const cause = this.source.cause();
    const isDue = Date.now() - this.#sentAt >= SIGN_MS || cause !== this.#cause;
    if (this.#sending || !(isDue || this.#changed.size > 0)) return;
    this.#sending = this.#send(cause).finally(() => {
      this.#sending = undefined;
    });
    await this.#sending;
  }

  /** Reports what has changed, after a report that is under way. */
  async sendNext(): Promise<void> {
    await this.#sending;
    await this.send();
  }

  /** What cannot be reported is reported by a later call. */
  async #send(cause: string | undefined): Promise<void> {
    const sessions = [...this.#changed];
    this.#changed.clear();
    try {
      const rows = sessions.map((session) => this.source.row(session)).filter((row) => row !== undefined);
      await registryOf(this.env).report(this.memory.name, rows, cause);
      this.#sentAt = Date.now();
      this.#cause = cause;
    } catch (thrown) {
      for (const session of sessions) this.#changed.add(session);
      warn("not reported", { hub: this.memory.name, ...errorDetail(thrown) });
    }
  }
}
