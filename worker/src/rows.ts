import { type AgentRow, STOPPED_MS } from "./listing.ts";
import { latest } from "./tally.ts";

/** The agents as they have last reported, in a table of the Registry and in memory. */
export class Rows {
  readonly #rows: Map<string, AgentRow>;

  constructor(private readonly sql: SqlStorage) {
    // Without a rowid, a row is also billed as one row.
    sql.exec("CREATE TABLE IF NOT EXISTS agent (session TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID");
    const rows = sql.exec<{ data: string }>("SELECT data FROM agent").toArray();
    const agents = rows.map(({ data }) => JSON.parse(data) as AgentRow);
    this.#rows = new Map(agents.map((row) => [row.session, row]));
  }

  /** What an agent that runs has last reported. */
  running(session: string): AgentRow | undefined {
    const row = this.#rows.get(session);
    return row?.state === "stopped" ? undefined : row;
  }

  /** The agents that were stopped within the last day. */
  stopped(): AgentRow[] {
    this.purge();
    return [...this.#rows.values()].filter(({ state }) => state === "stopped");
  }

  /** Saves a report, unless it is late: of an agent that has been stopped, or replaced by a new start. */
  put(row: AgentRow): void {
    const known = this.#rows.get(row.session);
    const isLate =
      known &&
      (row.tally.startedAt < known.tally.startedAt ||
        (known.state === "stopped" && row.tally.startedAt === known.tally.startedAt));
    if (!isLate) this.#write(row);
  }

  /**
   * Saves how an agent ended; without `last`, nothing remains of one that was running. The last report counts if a hub
   * that has crashed could not say more.
   */
  end(session: string, last: AgentRow | undefined): void {
    const known = this.running(session);
    if (last) this.#write({ ...last, tally: latest(last.tally, known?.tally) });
    else if (known) this.#delete(session);
  }

  /** Deletes what is no longer listed. */
  purge(): void {
    const oldest = Date.now() - STOPPED_MS;
    for (const { session, stoppedAt } of this.#rows.values()) {
      if (stoppedAt !== undefined && stoppedAt < oldest) this.#delete(session);
    }
  }

  #write(row: AgentRow): void {
    const data = JSON.stringify(row);
    if (data === JSON.stringify(this.#rows.get(row.session))) return;
    this.sql.exec(
      "INSERT INTO agent VALUES (?, ?) ON CONFLICT (session) DO UPDATE SET data = excluded.data",
      row.session,
      data,
    );
    this.#rows.set(row.session, row);
  }

  #delete(session: string): void {
    this.sql.exec("DELETE FROM agent WHERE session = ?", session);
    this.#rows.delete(session);
  }
}
