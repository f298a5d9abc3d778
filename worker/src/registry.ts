import { DurableObject } from "cloudflare:workers";
import type { RegistryCalls } from "./calls.ts";
import type { Env } from "./env.ts";

/** Remembers which sessions have an agent, because a namespace cannot list its objects. There is one. */
export class Registry extends DurableObject<Env> implements RegistryCalls {
  async add(session: string): Promise<void> {
    this.ctx.storage.kv.put(session, true);
  }

  async remove(session: string): Promise<void> {
    this.ctx.storage.kv.delete(session);
  }

  async list(): Promise<string[]> {
    return [...this.ctx.storage.kv.list()].map(([session]) => session);
  }
}
