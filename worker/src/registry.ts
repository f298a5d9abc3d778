import { DurableObject } from "cloudflare:workers";
import type { RegistryCalls } from "./calls.ts";
import { Causes } from "./causes.ts";
import { type Env, hubOf, sessionOf } from "./env.ts";
import { type Fault, WorkerError } from "./errors.ts";
import { type AgentList, type AgentQuery, type AgentRow, listOf } from "./listing.ts";
import { errorDetail, warn } from "./log.ts";
import { lastRowOf } from "./presence.ts";
import { Rows } from "./rows.ts";
import { newTally, type Tally } from "./tally.ts";

/** How long an agent or a hub may be silent before it is woken, in milliseconds. */
const SILENT_MS = 60_000;
/** How long after it was woken an object may be silent: less than a minute, so that the next run tries again. */
const WOKEN_MS = 30_000;
/** How long waking an object may take, in milliseconds: one that hangs must not keep the others asleep. */
const WAKE_TIMEOUT_MS = 10_000;
/** How many of them one call wakes: calls to other objects are limited to 50 on the free plan. */
const WAKE_LIMIT = 40;

/** When an object was last seen alive. Each sign is a new object, so that a later one can be detected. */
interface Sign {
  readonly at: number;
}

const HANGS: Fault = { code: "internal", message: "it did not answer in time" };
const SILENT = "it has given no sign of life for a minute, and will be woken";
const UNREPORTED = "it was started by an earlier version, and has not reported yet";

/** Hubs are named `hub.<n>`; sessions are subject tokens, which have no dot. */
const HUB = "hub.";

/**
 * Remembers which sessions have an agent, and in which hub, because a namespace cannot list its objects; and what they
 * last reported. There is only one Registry.
 *
 * Signs of life are kept in memory only: after a restart, everything counts as silent.
 */
export class Registry extends DurableObject<Env> implements RegistryCalls {
  /** The hub of each session, or `true` for its own connection, as on disk. */
  readonly #places = new Map(this.ctx.storage.kv.list<string | true>());
  readonly #rows = new Rows(this.ctx.storage.sql);
  readonly #causes = new Causes(this.ctx.storage.sql);
  /** Agents that have a place, and have not reported yet. */
  readonly #drafts = new Map<string, AgentRow>();
  readonly #signs = new Map<string, Sign>();
  readonly #bornAt = Date.now();

  async add(session: string, draft?: AgentRow): Promise<Tally | undefined> {
    this.#put(session, true, draft);
    this.#sign(session);
    return this.#rows.running(session)?.tally;
  }

  async remove(session: string, last?: AgentRow): Promise<void> {
    this.ctx.storage.kv.delete(session);
    this.#places.delete(session);
    this.#drafts.delete(session);
    this.#signs.delete(session);
    this.#causes.set(session, undefined);
    this.#rows.end(session, last);
  }

  async list(): Promise<string[]> {
    return [...this.#places.keys()];
  }

  async report(name: string, rows: readonly AgentRow[], cause?: string): Promise<void> {
    this.#sign(name, cause);
    for (const row of rows) {
      // An agent may have moved or stopped since.
      const place = this.#places.get(row.session);
      if ((place === true ? row.session : place) !== name) continue;
      this.#rows.put(row);
      if (this.#rows.running(row.session)) this.#drafts.delete(row.session);
    }
  }

  async agents(query: AgentQuery): Promise<AgentList> {
    const running = [...this.#places].map(([session, place]) => this.#shown(session, place));
    const stopped = this.#rows.stopped().filter(({ session }) => !this.#places.has(session));
    return listOf([...running, ...stopped], query);
  }

  async place(session: string, agentsPerHub: number, draft?: AgentRow): Promise<string> {
    const taken = new Map<string, number>();
    for (const [other, place] of this.#places) {
      if (place !== true && other !== session) taken.set(place, (taken.get(place) ?? 0) + 1);
    }
    const hasRoom = (hub: string) => (taken.get(hub) ?? 0) < agentsPerHub;
    let hub = this.#places.get(session);
    if (hub === undefined || hub === true || !hasRoom(hub)) hub = firstHub(hasRoom);
    this.#put(session, hub, draft);
    this.#sign(session);
    return hub;
  }

  async placed(hub: string): Promise<string[]> {
    return this.#placedIn(hub);
  }

  async search(hub: string, seats: readonly string[], leavers: readonly string[]): Promise<boolean> {
    const known = new Set([...seats, ...leavers]);
    const lost = this.#placedIn(hub).filter((session) => !known.has(session));
    const unknown = seats.filter((session) => !this.#places.has(session));
    const due = [...unknown, ...lost];
    await Promise.all(due.slice(0, WAKE_LIMIT).map((session) => this.#wake(session, hub)));
    return due.length <= WAKE_LIMIT;
  }

  async seen(name: string): Promise<void> {
    this.#sign(name);
  }

  async wake(): Promise<number> {
    this.#rows.purge();
    const names = new Set([...this.#places].map(([session, place]) => (place === true ? session : place)));
    this.#causes.keep(names);
    const silent = [...names].filter((name) => this.#silentFor(name) > SILENT_MS);
    await Promise.all(silent.slice(0, WAKE_LIMIT).map((name) => this.#wake(name)));
    return Math.max(0, silent.length - WAKE_LIMIT);
  }

  #placedIn(hub: string): string[] {
    return [...this.#places].filter(([, place]) => place === hub).map(([session]) => session);
  }

  /**
   * Any call wakes an object. One that fails or hangs is left alone until the next run, for the sake of the others. `hub`
   * has a seat for the session, or should have.
   */
  async #wake(name: string, hub?: string): Promise<void> {
    const sign = { at: Date.now() - SILENT_MS + WOKEN_MS };
    this.#signs.set(name, sign);
    const work = name.startsWith(HUB) ? hubOf(this.env, name).wake(name) : this.#wakeSession(name, sign, hub);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new WorkerError(HANGS)), WAKE_TIMEOUT_MS);
    try {
      await Promise.race([work, late]);
    } catch (thrown) {
      warn("not woken", { name, ...errorDetail(thrown) });
    } finally {
      clearTimeout(timer);
    }
  }

  async #wakeSession(session: string, sign: Sign, hub: string | undefined): Promise<void> {
    const view = await sessionOf(this.env, session).look();
    // It may have been started or stopped since it was looked at.
    if (this.#signs.get(session) !== sign) return;
    if (view === null || view.state === "stopped") await this.remove(session, lastRowOf(view));
    else if (hub && !this.#places.has(session)) this.#put(session, hub, undefined);
  }

  /** An agent that has a place. One that is not on the bus is starting, whatever it has reported. */
  #shown(session: string, place: string | true): AgentRow {
    const row = this.#rows.running(session) ?? this.#drafts.get(session) ?? this.#unreported(session);
    const name = place === true ? session : place;
    const isSilent = Date.now() - (this.#signs.get(name)?.at ?? this.#bornAt) > SILENT_MS;
    const cause = isSilent ? SILENT : this.#causes.get(name);
    return cause === undefined ? row : { ...row, state: "starting", cause };
  }

  /** What is known of an agent that an earlier version has added. */
  #unreported(session: string): AgentRow {
    const tally = newTally(this.#bornAt);
    return { session, owner: "", agent: "", state: "starting", tally, cause: UNREPORTED };
  }

  #put(session: string, place: string | true, draft: AgentRow | undefined): void {
    if (draft) this.#drafts.set(session, draft);
    if (this.#places.get(session) === place) return;
    this.ctx.storage.kv.put(session, place);
    this.#places.set(session, place);
  }

  #sign(name: string, cause?: string): void {
    this.#signs.set(name, { at: Date.now() });
    this.#causes.set(name, cause);
  }

  #silentFor(name: string): number {
    return Date.now() - (this.#signs.get(name)?.at ?? 0);
  }
}

/** The lowest hub with room, so that agents use as few hubs as possible. */
function firstHub(hasRoom: (hub: string) => boolean): string {
  let number = 0;
  while (!hasRoom(`${HUB}${number}`)) number += 1;
  return `${HUB}${number}`;
}
