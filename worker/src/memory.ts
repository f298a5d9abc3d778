import type { Message } from "./agents/agent.ts";
import type { Settings } from "./settings.ts";

/** What makes this session an agent; it survives everything but a stop. */
export interface Stored {
  readonly session: string;
  readonly settings: Settings;
}

/** What a restart must know of the time before it. */
export interface Activity {
  /** When a prompt last came or a turn last ended, in milliseconds since 1970. */
  readonly at: number;
  /** Reply subjects of streams that wait for their terminator. */
  readonly streams: readonly string[];
}

/** What is kept of a stopped agent for a day: who it was, and when and why it stopped. */
export interface Ended {
  readonly session: string;
  /** Nested as in `Stored`: during a deployment, an older version may read what a newer one wrote. */
  readonly settings: Pick<Settings, "owner" | "agent">;
  readonly cause: string;
  /** When it stopped, or a later stop found it so, in milliseconds since 1970. */
  readonly at: number;
}

/** Milliseconds for which a stopped agent is still known. */
const ENDED_MS = 24 * 60 * 60 * 1000;

/** The session's SQLite storage. */
export class Memory {
  #agent: Stored | undefined;

  constructor(private readonly storage: DurableObjectStorage) {
    this.#agent = storage.kv.get<Stored>("agent");
  }

  get agent(): Stored | undefined {
    return this.#agent;
  }

  get ended(): Ended | undefined {
    return this.storage.kv.get<Ended>("ended");
  }

  /** When a stop found nothing here, in milliseconds since 1970. */
  get missed(): number | undefined {
    return this.storage.kv.get<number>("missed");
  }

  get activity(): Activity {
    return this.storage.kv.get<Activity>("activity") ?? { at: Date.now(), streams: [] };
  }

  /** Unconfirmed, because a confirmed write holds back what is sent after it: acks and answers. */
  note(activity: Activity): void {
    void this.storage.put("activity", activity, { allowUnconfirmed: true });
  }

  begin(agent: Stored): void {
    this.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, role TEXT NOT NULL, content TEXT NOT NULL)",
    );
    this.storage.kv.delete("ended");
    this.storage.kv.delete("missed");
    this.storage.kv.put("agent", agent);
    this.note({ at: Date.now(), streams: [] });
    this.#agent = agent;
  }

  /** Forgets settings, conversation and alarm. What `Ended` names is kept for a day. */
  async end({ session, settings: { owner, agent } }: Stored, cause: string): Promise<void> {
    this.#agent = undefined;
    await this.erase();
    const ended: Ended = { session, settings: { owner, agent }, cause, at: Date.now() };
    this.storage.kv.put("ended", ended);
    await this.storage.setAlarm(Date.now() + ENDED_MS);
  }

  /** Notes a stop that found nothing, so that a start that was put off before it is not made after it. */
  async miss(): Promise<void> {
    const ended = this.ended;
    if (ended) this.storage.kv.put("ended", { ...ended, at: Date.now() });
    else this.storage.kv.put("missed", Date.now());
    await this.storage.setAlarm(Date.now() + ENDED_MS);
  }

  async erase(): Promise<void> {
    await this.storage.deleteAlarm();
    await this.storage.deleteAll();
  }

  /** The last messages, oldest first. */
  history(most: number): Message[] {
    const query = "SELECT role, content FROM message ORDER BY id DESC LIMIT ?";
    const rows = this.storage.sql.exec<{ role: Message["role"]; content: string }>(query, most).toArray();
    return rows.reverse().map(({ role, content }) => ({ role, content }));
  }

  /** Adds a turn and drops what no later turn will be given. */
  remember(prompt: string, answer: string, most: number): void {
    const insert = "INSERT INTO message (role, content) VALUES ('user', ?), ('assistant', ?)";
    this.storage.sql.exec(insert, prompt, answer);
    const drop = "DELETE FROM message WHERE id NOT IN (SELECT id FROM message ORDER BY id DESC LIMIT ?)";
    this.storage.sql.exec(drop, most);
  }
}
