import { DurableObject } from "cloudflare:workers";
import type { RegistryCalls } from "./calls.ts";
import type { Env } from "./env.ts";
import { errorDetail, warn } from "./log.ts";

/** How long an agent may be silent before it is woken, in milliseconds. */
const SILENT_MS = 60_000;
/** How many agents one call wakes: calls to other objects are limited, to 50 on the free plan. */
const WAKE_LIMIT = 40;

/** A sign of life. Replaced by each new one, so that a later one is noticed. */
interface Sign {
  readonly at: number;
}

/**
 * Remembers which sessions have an agent, because a namespace cannot list its objects. There is one.
 *
 * Which of them were silent is kept in memory only: after a restart all of them are.
 */
export class Registry extends DurableObject<Env> implements RegistryCalls {
  readonly #signs = new Map<string, Sign>();

  async add(session: string): Promise<void> {
    this.ctx.storage.kv.put(session, true);
    this.#sign(session);
  }

  async remove(session: string): Promise<void> {
    this.ctx.storage.kv.delete(session);
    this.#signs.delete(session);
  }

  async list(): Promise<string[]> {
    return [...this.ctx.storage.kv.list()].map(([session]) => session);
  }

  async seen(session: string): Promise<void> {
    this.#sign(session);
  }

  async wake(): Promise<number> {
    const silent = (await this.list()).filter((session) => this.#silentFor(session) > SILENT_MS);
    await Promise.all(silent.slice(0, WAKE_LIMIT).map((session) => this.#wake(session)));
    return Math.max(0, silent.length - WAKE_LIMIT);
  }

  /** Whoever touches an agent's object wakes it. */
  async #wake(session: string): Promise<void> {
    const sign = this.#sign(session);
    try {
      const view = await this.env.SESSIONS.getByName(session).look();
      const isGone = view === null || view.state === "stopped";
      if (isGone && this.#signs.get(session) === sign) await this.remove(session);
    } catch (thrown) {
      this.#signs.delete(session);
      warn("agent not woken", { session, ...errorDetail(thrown) });
    }
  }

  #sign(session: string): Sign {
    const sign = { at: Date.now() };
    this.#signs.set(session, sign);
    return sign;
  }

  #silentFor(session: string): number {
    return Date.now() - (this.#signs.get(session)?.at ?? 0);
  }
}
