import { type Fault, WorkerError } from "../errors.ts";
import { info } from "../log.ts";
import type { Asked, Connection } from "./connection.ts";
import type { Subscription } from "./link.ts";
import type { Seat } from "./seat.ts";

/*
 * How a new agent proves that it is the only one of its name on the bus, and is reached: it asks for another one before it
 * subscribes, listens for one that starts at the same time, and sends itself a message.
 */

/** How long another agent of the same name has to answer, in milliseconds. */
const NAMESAKE_TIMEOUT_MS = 1_500;
/** How long the test message to the agent itself may take, in milliseconds, and how often it is sent. */
const DELIVERY_TIMEOUT_MS = 3_000;
const DELIVERY_ATTEMPTS = 3;

const TAKEN: Fault = {
  code: "conflict",
  message:
    "another agent on the bus already has this session and owner; stop it, or choose another session or owner",
};
const NOT_DELIVERED: Fault = {
  code: "bus_unavailable",
  message: "the bus accepted the registration, but did not deliver a message to the agent; try again",
};

/** Throws `conflict` if another agent has the name. Returns whether the bus lets this connection ask. */
export async function requireUnknown(connection: Connection, { subjects, session }: Seat): Promise<boolean> {
  const asked = await connection.ask(subjects.status, NAMESAKE_TIMEOUT_MS);
  if (asked instanceof Uint8Array) throw new WorkerError(TAKEN);
  if (asked !== "not permitted") return true;
  info("name not checked", {
    session,
    cause: "the NATS user may not publish to agents.status.open-agent.>, or not subscribe to _INBOX.>",
  });
  return false;
}

/**
 * Another agent of the same name that starts at the same time, noticed by its first heartbeat. Neither of the two finds the
 * other when it asks, since neither has subscribed yet. But each listens before it asks, and sends its heartbeat after it has
 * subscribed, so at least one of them hears the other.
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
      const instance = instanceIn(data);
      this.#isHeard ||= instance !== undefined && instance !== instanceId;
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

/** Verifies that a message reaches this agent, and not another one that has taken the name in the meantime. */
export async function requireDelivery(connection: Connection, seat: Seat): Promise<void> {
  let asked: Asked = "silent";
  // The server may still deliver some messages to a dead earlier connection of the agent.
  for (let attempt = 0; attempt < DELIVERY_ATTEMPTS && asked === "silent"; attempt += 1) {
    asked = await connection.ask(seat.subjects.status, DELIVERY_TIMEOUT_MS);
  }
  if (asked === "not permitted") return;
  if (!(asked instanceof Uint8Array)) throw new WorkerError(NOT_DELIVERED);
  if (instanceIn(asked) !== seat.instanceId) throw new WorkerError(TAKEN);
}

/** The instance id in a heartbeat; undefined if the bytes are not a heartbeat. */
function instanceIn(heartbeat: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(heartbeat))?.instance_id;
  } catch {
    return undefined;
  }
}
