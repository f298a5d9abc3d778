import { type Fault, WorkerError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import type { Subscription } from "./link.ts";

export const TAKEN: Fault = {
  code: "conflict",
  message:
    "another agent on the bus already has this session and owner; stop it, or choose another session or owner",
};

/**
 * Another agent of the same name that starts at the same time, as its first heartbeat tells. Each of the two looks for the
 * other and is not there yet; but each listens before it looks, and beats after it has subscribed, so that one hears the other.
 */
export class Rival {
  #isHeard = false;
  readonly #subscription: Subscription;

  constructor(
    private readonly connection: Connection,
    subject: string,
    instanceId: string,
  ) {
    this.#subscription = connection.subscribe(subject, ({ data }) => {
      this.#isHeard ||= instanceIn(data) !== instanceId;
    });
  }

  /** Throws `conflict` if there is one. Called after the first heartbeat of the agent itself. */
  async requireNone(): Promise<void> {
    await this.connection.processed();
    this.forget();
    if (this.#isHeard) throw new WorkerError(TAKEN);
  }

  forget(): void {
    this.#subscription.close();
  }
}

/** The instance in a heartbeat; undefined if it is none. */
export function instanceIn(heartbeat: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(heartbeat))?.instance_id;
  } catch {
    return undefined;
  }
}
