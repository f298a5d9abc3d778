import type { Message } from "./agents/agent.ts";
import { STOPPED_MS } from "./listing.ts";
import type { Settings } from "./settings.ts";
import type { Tally } from "./tally.ts";

/** The agent of this session. Its record survives everything but a stop. */
export interface StoredAgent {
  readonly session: string;
  readonly settings: Settings;
}

/**
 * How an agent is connected to the bus: through a hub, or for a while through its own connection because a hub could not
 * serve it. Without a record it has its own connection. The generation distinguishes this place from earlier ones.
 */
export type Place =
  | { readonly hub: string; readonly generation: number }
  | { readonly hub?: never; readonly cause: string; readonly until: number };

/** What is needed after a restart. */
export interface Activity {
  /** When a prompt last arrived or a turn last ended, in milliseconds since 1970. */
  readonly at: number;
  /** Reply subjects of streams that are still open. */
  readonly streams: readonly string[];
  /** Saved together with the streams, so that each of them is counted once. Earlier versions saved none. */
  readonly tally?: Tally;
}

/** What is kept of a stopped agent for a day: its identity, when and why it stopped, and what it did. */
export interface StoppedAgent {
  readonly session: string;
  /** Nested as in `StoredAgent`: during a deployment, an older version may read what a newer one wrote. */
  readonly settings: Pick<Settings, "owner" | "agent">;
  readonly cause: string;
  /** When it was last stopped, in milliseconds since 1970. */
  readonly at: number;
  readonly tally?: Tally;
}

/** The ids of the newest messages within both bounds, chosen without reading their text. */
const NEWEST = `SELECT id FROM (
  SELECT id, sum(length(content)) OVER (ORDER BY id DESC) AS chars FROM (
    SELECT id, content FROM message ORDER BY id DESC LIMIT ?
  )
) WHERE chars <= ?`;

/** The session's SQLite storage. */
export class Memory {
  #agent: StoredAgent | undefined;

  constructor(private readonly storage: DurableObjectStorage) {
    this.#agent = storage.kv.get<StoredAgent>("agent");
  }

  get agent(): StoredAgent | undefined {
    return this.#agent;
  }

  get place(): Place | undefined {
    return this.storage.kv.get<Place>("place");
  }

  set place(place: Place | undefined) {
    if (place) this.storage.kv.put("place", place);
    else this.storage.kv.delete("place");
  }

  get ended(): StoppedAgent | undefined {
    return this.storage.kv.get<StoppedAgent>("ended");
  }

  /** When a stop arrived before any start, in milliseconds since 1970. */
  get missed(): number | undefined {
    return this.storage.kv.get<number>("missed");
  }

  get activity(): Activity {
    return this.storage.kv.get<Activity>("activity") ?? { at: Date.now(), streams: [] };
  }

  /** Saves without confirmation: a confirmed write would delay all messages after it, including acks and answers. */
  note(activity: Activity): void {
    void this.storage.put("activity", activity, { allowUnconfirmed: true });
  }

  begin(agent: StoredAgent, tally: Tally): void {
    this.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, role TEXT NOT NULL, content TEXT NOT NULL)",
    );
    this.storage.kv.delete("ended");
    this.storage.kv.delete("missed");
    this.storage.kv.put("agent", agent);
    this.note({ at: tally.activeAt, streams: [], tally });
    this.#agent = agent;
  }

  /** Forgets the agent and its conversation. What `StoppedAgent` names is kept for a day. */
  async end(
    { session, settings: { owner, agent } }: StoredAgent,
    cause: string,
    tally: Tally,
  ): Promise<StoppedAgent> {
    this.#agent = undefined;
    await this.erase();
    const ended = { session, settings: { owner, agent }, cause, at: Date.now(), tally: { ...tally } };
    this.storage.kv.put("ended", ended);
    await this.storage.setAlarm(Date.now() + STOPPED_MS);
    return ended;
  }

  /** Records a stop that found no agent, so that a start that was deferred before it is not carried out after it. */
  async miss(): Promise<void> {
    const ended = this.ended;
    if (ended) this.storage.kv.put("ended", { ...ended, at: Date.now() });
    else this.storage.kv.put("missed", Date.now());
    await this.storage.setAlarm(Date.now() + STOPPED_MS);
  }

  async erase(): Promise<void> {
    await this.storage.deleteAlarm();
    await this.storage.deleteAll();
  }

  /** The newest messages within both limits, oldest first. */
  history(maxMessages: number, maxChars: number): Message[] {
    const query = `SELECT role, content FROM message WHERE id IN (${NEWEST}) ORDER BY id`;
    const rows = this.storage.sql.exec<{ role: Message["role"]; content: string }>(
      query,
      maxMessages,
      maxChars,
    );
    return rows.toArray().map(({ role, content }) => ({ role, content }));
  }

  /** Appends a turn and deletes the messages that no later turn will need. */
  remember(prompt: string, answer: string, maxMessages: number, maxChars: number): void {
    const insert = "INSERT INTO message (role, content) VALUES ('user', ?), ('assistant', ?)";
    // What no later turn is given may also be more than the database accepts.
    if (prompt.length + answer.length > maxChars) this.storage.sql.exec("DELETE FROM message");
    else this.storage.sql.exec(insert, prompt, answer);
    this.storage.sql.exec(`DELETE FROM message WHERE id NOT IN (${NEWEST})`, maxMessages, maxChars);
  }
}
