import type { HubCalls, RegistryCalls, SessionCalls } from "./calls.ts";
import type { Vars } from "./vars.ts";

/** The Worker's bindings: vars, secrets, and the namespaces of the Durable Objects. */
export interface Env extends Vars {
  readonly SESSIONS: DurableObjectNamespace<SessionCalls>;
  readonly REGISTRY: DurableObjectNamespace<RegistryCalls>;
  readonly HUBS: DurableObjectNamespace<HubCalls>;
}

/** The one Registry of this Worker. */
export function registryOf(env: Env): DurableObjectStub<RegistryCalls> {
  return env.REGISTRY.getByName("registry");
}
