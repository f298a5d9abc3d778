import { DurableObject } from "cloudflare:workers";
import type { Env } from "./env.ts";

/** Knows which sessions live, because a namespace cannot list its objects. There is one. */
export class Registry extends DurableObject<Env> {
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

export function registryOf(env: Env): DurableObjectStub<Registry> {
  return env.REGISTRY.getByName("registry");
}
