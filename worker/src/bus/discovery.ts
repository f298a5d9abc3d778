import { isReplySubject } from "../subjects.ts";
import { numbersOf } from "../tally.ts";
import type { Connection, Incoming } from "./connection.ts";
import type { Endpoint, Seat } from "./seat.ts";

const VERBS = ["PING", "INFO", "STATS"] as const;
type Verb = (typeof VERBS)[number];

const encoder = new TextEncoder();

/**
 * Answers the discovery of NATS micro services for all seats of a connection. With `@nats-io/services` each seat would
 * take nine subscriptions of its own.
 */
export class Discovery {
  readonly #byId = new Map<string, Seat>();

  constructor(
    private readonly seats: ReadonlyMap<string, Seat>,
    /** Whether one subscription serves the ids of all seats; requests for an id that is gone are then ignored. */
    private readonly shared: boolean,
  ) {}

  /** Subscribes to the subjects that concern all seats. */
  attach(connection: Connection): void {
    const answer = (message: Incoming) => this.#answer(connection, message);
    for (const verb of VERBS) {
      connection.subscribe(`$SRV.${verb}`, answer);
      connection.subscribe(`$SRV.${verb}.agents`, answer);
      if (this.shared) connection.subscribe(`$SRV.${verb}.agents.*`, answer);
    }
  }

  /** Answers for the seat from now on. Returns a function that ends this. */
  add(connection: Connection, seat: Seat): () => void {
    this.#byId.set(seat.instanceId, seat);
    const answer = (message: Incoming) => this.#answer(connection, message);
    const ends = this.shared
      ? []
      : VERBS.map((verb) => connection.subscribe(`$SRV.${verb}.agents.${seat.instanceId}`, answer));
    return () => {
      this.#byId.delete(seat.instanceId);
      for (const end of ends) end();
    };
  }

  #answer(connection: Connection, { subject, reply }: Incoming): void {
    if (!isReplySubject(reply)) return;
    const [, verb, , id] = subject.split(".");
    const asked = id === undefined ? this.seats.values() : [this.#byId.get(id)];
    for (const seat of asked) {
      if (seat) connection.publish({ subject: reply, data: answerOf(verb as Verb, seat) });
    }
  }
}

/** The answer to INFO is the largest. */
export function infoOf(seat: Seat): Uint8Array {
  return answerOf("INFO", seat);
}

function answerOf(verb: Verb, seat: Seat): Uint8Array {
  const type = `io.nats.micro.v1.${verb === "PING" ? "ping" : verb === "INFO" ? "info" : "stats"}_response`;
  const { service, endpoints, presence, startedAt } = seat;
  if (verb === "PING") return encode({ type, ...service });
  if (verb === "INFO") return encode({ type, ...service, description: presence.description, endpoints });
  return encode({
    type,
    ...service,
    started: startedAt,
    endpoints: endpoints.map((one) => statsOf(one, seat)),
  });
}

/** The counters of the agent are those of its prompts; they go on over restarts, unlike those of the endpoint. */
function statsOf({ name, subject, queue_group }: Endpoint, { stats, tally }: Seat): object {
  const data = name === "prompt" ? numbersOf(tally) : {};
  return { name, subject, queue_group, ...stats[name].report, data };
}

function encode(answer: object): Uint8Array {
  return encoder.encode(JSON.stringify(answer));
}
