import { DurableObject } from "cloudflare:workers";
import type { RegistryCalls } from "./calls.ts";
import type { Env } from "./env.ts";
import { errorDetail, warn } from "./log.ts";

/** How long an agent or a hub may be silent before it is woken, in milliseconds. */
const SILENT_MS = 60_000;
/** How many of them one call wakes: calls to other objects are limited to 50 on the free plan. */
const WAKE_LIMIT = 40;

/** When an object was last seen alive. Each sign is a new object, so that a later one can be detected. */
interface Sign {
  readonly at: number;
}

/** Hubs are named `hub.<n>`; sessions are subject tokens, which have no dot. */
const HUB = "hub.";

/**
 * Remembers which sessions have an agent, and in which hub, because a namespace cannot list its objects. There is only
 * one Registry.
 *
 * Signs of life are kept in memory only: after a restart, everything counts as silent.
 */
export class Registry extends DurableObject<Env> implements RegistryCalls {
  /** The hub of each session, or `true` for its own connection, as on disk. */
  readonly #places = new Map(this.ctx.storage.kv.list<string | true>());
  readonly #signs = new Map<string, Sign>();

  async add(session: string): Promise<void> {
    this.#put(session, true);
    this.#sign(session);
  }

  async remove(session: string): Promise<void> {
    this.ctx.storage.kv.delete(session);
    this.#places.delete(session);
    this.#signs.delete(session);
  }

  async list(): Promise<string[]> {
    return [...this.#places.keys()];
  }

  async place(session: string, agentsPerHub: number): Promise<string> {
    const taken = new Map<string, number>();
    for (const [other, place] of this.#places) {
      if (place !== true && other !== session) taken.set(place, (taken.get(place) ?? 0) + 1);
    }
    const hasRoom = (hub: string) => (taken.get(hub) ?? 0) < agentsPerHub;
    let hub = this.#places.get(session);
    if (hub === undefined || hub === true || !hasRoom(hub)) hub = firstHub(hasRoom);
    this.#put(session, hub);
    return hub;
  }

  async placed(hub: string): Promise<string[]> {
    return [...this.#places].filter(([, place]) => place === hub).map(([session]) => session);
  }

  async seen(name: string): Promise<void> {
    this.#sign(name);
  }

  async wake(): Promise<number> {
    const names = new Set([...this.#places].map(([session, place]) => (place === true ? session : place)));
    const silent = [...names].filter((name) => this.#silentFor(name) > SILENT_MS);
    await Promise.all(silent.slice(0, WAKE_LIMIT).map((name) => this.#wake(name)));
    return Math.max(0, silent.length - WAKE_LIMIT);
  }

  /** Any call wakes an object. */
  async #wake(name: string): Promise<void> {
    const sign = this.#sign(name);
    try {
      if (name.startsWith(HUB)) await this.env.HUBS.getByName(name).wake();
      else await this.#wakeSession(name, sign);
    } catch (thrown) {
      this.#signs.delete(name);
      warn("not woken", { name, ...errorDetail(thrown) });
    }
  }

  async #wakeSession(session: string, sign: Sign): Promise<void> {
    const view = await this.env.SESSIONS.getByName(session).look();
    const isGone = view === null || view.state === "stopped";
    if (isGone && this.#signs.get(session) === sign) await this.remove(session);
  }

  #put(session: string, place: string | true): void {
    if (this.#places.get(session) === place) return;
    this.ctx.storage.kv.put(session, place);
    this.#places.set(session, place);
  }

  #sign(name: string): Sign {
    const sign = { at: Date.now() };
    this.#signs.set(name, sign);
    return sign;
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
