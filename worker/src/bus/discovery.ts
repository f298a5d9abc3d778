import { isReplySubject } from "../subjects.ts";
import { numbersOf } from "../tally.ts";
import type { Connection } from "./connection.ts";
import { type Frame, frameOf } from "./frames.ts";
import type { Incoming } from "./link.ts";
import type { Endpoint, Seat } from "./seat.ts";

const VERBS = ["PING", "INFO", "STATS"] as const;
type Verb = (typeof VERBS)[number];

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
      if (seat) connection.publish(answerOf(reply, verb as Verb, seat));
    }
  }
}

/** The size of the largest answer in bytes, which is the one to INFO. */
export function largestAnswer(seat: Seat): number {
  return answerOf("", "INFO", seat).size;
}

function answerOf(subject: string, verb: Verb, seat: Seat): Frame {
  const type = `io.nats.micro.v1.${verb === "PING" ? "ping" : verb === "INFO" ? "info" : "stats"}_response`;
  const { service, endpoints, presence, startedAt } = seat;
  const more = {
    PING: {},
    INFO: { description: presence.description, endpoints },
    STATS: { started: startedAt, endpoints: endpoints.map((one) => statsOf(one, seat)) },
  };
  return frameOf(subject, JSON.stringify({ type, ...service, ...more[verb] }));
}

/** The counters of the agent are those of its prompts; they go on over restarts, unlike those of the endpoint. */
function statsOf({ name, subject, queue_group }: Endpoint, { stats, tally }: Seat): object {
  const data = name === "prompt" ? numbersOf(tally) : {};
  return { name, subject, queue_group, ...stats[name].report, data };
}
