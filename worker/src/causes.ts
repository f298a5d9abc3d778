/**
 * Why agents are not on the bus, by the name of the session or the hub that reported it: in a table of the Registry, which is
 * evicted sooner than they report again, and in memory.
 */
export class Causes {
  readonly #causes: Map<string, string>;

  constructor(private readonly sql: SqlStorage) {
    sql.exec("CREATE TABLE IF NOT EXISTS absent (name TEXT PRIMARY KEY, cause TEXT NOT NULL) WITHOUT ROWID");
    const rows = sql.exec<{ name: string; cause: string }>("SELECT name, cause FROM absent").toArray();
    this.#causes = new Map(rows.map(({ name, cause }) => [name, cause]));
  }

  get(name: string): string | undefined {
    return this.#causes.get(name);
  }

  /** Undefined for agents that are on the bus. */
  set(name: string, cause: string | undefined): void {
    if (cause === this.#causes.get(name)) return;
    if (cause === undefined) this.#delete(name);
    else this.#put(name, cause);
  }

  /** Forgets hubs that have no agents any more. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#causes.keys()) if (!names.has(name)) this.#delete(name);
  }

  #put(name: string, cause: string): void {
    this.sql.exec(
      "INSERT INTO absent VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET cause = excluded.cause",
      name,
      cause,
    );
    this.#causes.set(name, cause);
  }

  #delete(name: string): void {
    this.sql.exec("DELETE FROM absent WHERE name = ?", name);
    this.#causes.delete(name);
  }
}
