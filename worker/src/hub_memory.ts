import type { Presence } from "./bus/seat.ts";
import type { OpenStream } from "./bus/turns.ts";
import type { Tally } from "./tally.ts";

/** An agent in the hub. The generation distinguishes its seat from earlier ones. */
export interface SeatRow {
  readonly presence: Presence;
  readonly generation: number;
}

/** What is needed after a restart. */
export interface ActivityRow {
  /** When a prompt last arrived or a turn last ended, in milliseconds since 1970. */
  readonly at: number;
  readonly streams: readonly OpenStream[];
  /** Saved together with the streams, so that each of them is counted once. Earlier versions saved none. */
  readonly tally?: Tally;
}

/** An agent that has lost its seat, until its session has been notified. */
export interface LeaverRow {
  readonly generation: number;
  /** Why the hub cannot serve it; undefined if it may have a seat again. */
  readonly cause?: string;
  /** Why it was stopped, if it was. */
  readonly stopped?: string;
  readonly tally?: Tally;
}

/** The rows of each table. */
interface Rows {
  readonly seat: SeatRow;
  readonly open: ActivityRow;
  readonly left: LeaverRow;
}

/**
 * The hub's storage, cached in memory. Writes are unconfirmed, since a confirmed one would delay all messages after it.
 * Rows that are lost in a crash are restored from the sessions and the Registry.
 */
export class HubMemory {
  readonly seats: ReadonlyMap<string, SeatRow>;
  readonly activity: ReadonlyMap<string, ActivityRow>;
  readonly leavers: ReadonlyMap<string, LeaverRow>;
  readonly #tables: { readonly [T in keyof Rows]: Map<string, Rows[T]> } = {
    seat: new Map(),
    open: new Map(),
    left: new Map(),
  };
  #name: string;

  constructor(private readonly storage: DurableObjectStorage) {
    this.#name = storage.kv.get<string>("name") ?? "";
    for (const [table, rows] of Object.entries(this.#tables)) {
      // Sessions have no dot in their name.
      for (const [key, row] of storage.kv.list({ prefix: `${table}.` })) {
        (rows as Map<string, unknown>).set(key.slice(table.length + 1), row);
      }
    }
    this.seats = this.#tables.seat;
    this.activity = this.#tables.open;
    this.leavers = this.#tables.left;
  }

  /** The name of the hub for sessions and the Registry. */
  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    if (name === this.#name) return;
    this.#name = name;
    this.#write("name", name);
  }

  get isEmpty(): boolean {
    return this.seats.size === 0 && this.leavers.size === 0;
  }

  seat(session: string, row: SeatRow): void {
    this.#put("left", session, undefined);
    this.#put("seat", session, row);
  }

  note(session: string, row: ActivityRow): void {
    if (this.seats.has(session)) this.#put("open", session, row);
  }

  /** Removes the seat; `leaver` is what the session must still be notified of. */
  unseat(session: string, leaver: LeaverRow | undefined): void {
    this.#put("seat", session, undefined);
    this.#put("open", session, undefined);
    this.#put("left", session, leaver);
  }

  /** Erases the whole storage. */
  async erase(): Promise<void> {
    this.#name = "";
    // Both are queued at once, so that a concurrent join is written after them.
    await Promise.all([this.storage.deleteAlarm(), this.storage.deleteAll()]);
  }

  #put<T extends keyof Rows>(table: T, session: string, row: Rows[T] | undefined): void {
    const rows: Map<string, Rows[T]> = this.#tables[table];
    if (row === undefined && !rows.delete(session)) return;
    if (row !== undefined) rows.set(session, row);
    this.#write(`${table}.${session}`, row);
  }

  #write(key: string, value: unknown): void {
    if (value === undefined) void this.storage.delete(key, { allowUnconfirmed: true });
    else void this.storage.put(key, value, { allowUnconfirmed: true });
  }
}
