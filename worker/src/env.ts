import type { HubCalls, RegistryCalls, SessionCalls } from "./calls.ts";
import type { Vars } from "./vars.ts";

/** The Worker's bindings: vars, secrets, and the namespaces of the Durable Objects. */
export interface Env extends Vars {
  readonly SESSIONS: DurableObjectNamespace<SessionCalls>;
  readonly REGISTRY: DurableObjectNamespace<RegistryCalls>;
  readonly HUBS: DurableObjectNamespace<HubCalls>;
}

/** The object of a session, typed as its class: the types of the platform do not know that a sink may be passed. */
export function sessionOf(env: Env, session: string): SessionCalls {
  return env.SESSIONS.getByName(session) as unknown as SessionCalls;
}

/** The hub of that name, likewise. */
export function hubOf(env: Env, hub: string): HubCalls {
  return env.HUBS.getByName(hub) as unknown as HubCalls;
}

/** The one Registry of this Worker. */
export function registryOf(env: Env): DurableObjectStub<RegistryCalls> {
  return env.REGISTRY.getByName("registry");
}
