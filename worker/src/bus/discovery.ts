import { isReplySubject } from "../subjects.ts";
import { numbersOf } from "../tally.ts";
import type { Connection } from "./connection.ts";
import { type Frame, frameOf } from "./frames.ts";
import { Inlet } from "./inlet.ts";
import type { Incoming } from "./link.ts";
import type { Endpoint, Seat } from "./seat.ts";

const VERBS = ["PING", "INFO", "STATS"] as const;
type Verb = (typeof VERBS)[number];

/** How many requests may come in at a stretch: all agents answer each of them. */
const MAX_REQUESTS = 20;
/** How many requests may wait for the network, since labels may make answers large. Others are not answered. */
const MAX_WAITING = 8;

/**
 * Answers the discovery of NATS micro services for all seats of a connection. With `@nats-io/services` each seat would
 * take nine subscriptions of its own.
 */
export class Discovery {
  readonly #byId = new Map<string, Seat>();
  /** The subscriptions that concern all seats. */
  readonly #inlets: readonly Inlet[];
  /** How many requests are waiting for the network. */
  #waiting = 0;
  /** Those of one seat. */
  readonly #own = new Map<Seat, readonly Inlet[]>();

  constructor(
    private readonly seats: ReadonlyMap<string, Seat>,
    /** Whether one subscription serves the ids of all seats; requests for an id that is gone are then ignored. */
    private readonly shared: boolean,
  ) {
    this.#inlets = VERBS.flatMap((verb) => [
      this.#inlet(`$SRV.${verb}`),
      this.#inlet(`$SRV.${verb}.agents`),
      ...(shared ? [this.#inlet(`$SRV.${verb}.agents.*`)] : []),
    ]);
  }

  /** Subscribes to the subjects that concern all seats. */
  attach(connection: Connection): void {
    for (const inlet of this.#inlets) inlet.open(connection);
  }

  /** Answers for the seat on this connection from now on. */
  add(connection: Connection, seat: Seat): void {
    const { instanceId } = seat;
    this.#byId.set(instanceId, seat);
    if (this.shared) return;
    const inlets =
      this.#own.get(seat) ?? VERBS.map((verb) => this.#inlet(`$SRV.${verb}.agents.${instanceId}`));
    this.#own.set(seat, inlets);
    for (const inlet of inlets) inlet.open(connection);
  }

  remove(seat: Seat): void {
    this.#byId.delete(seat.instanceId);
    for (const inlet of this.#own.get(seat) ?? []) inlet.close();
    this.#own.delete(seat);
  }

  #inlet(subject: string): Inlet {
    return new Inlet(subject, {
      maxMessages: MAX_REQUESTS,
      deliver: (message, connection) => this.#answer(message, connection),
    });
  }

  #answer({ subject, reply }: Incoming, connection: Connection): void {
    if (!isReplySubject(reply)) return;
    const [, verb, , id] = subject.split(".");
    const known = id === undefined ? undefined : this.#byId.get(id);
    const asked = id === undefined ? [...this.seats.values()] : known ? [known] : [];
    if (this.#waiting < MAX_WAITING)
      void this.#answerFor(asked, connection, (seat) => answerOf(reply, verb as Verb, seat));
  }

  async #answerFor(
    seats: readonly Seat[],
    connection: Connection,
    answer: (seat: Seat) => Frame,
  ): Promise<void> {
    for (const seat of seats) {
      if (connection.isBehind) await this.#drained(connection);
      if (this.#byId.get(seat.instanceId) === seat) connection.publish(answer(seat));
    }
  }

  async #drained(connection: Connection): Promise<void> {
    this.#waiting += 1;
    await connection.drained();
    this.#waiting -= 1;
  }
}

/** The size of the answer to INFO in bytes; no other one is twice as large. */
export function sizeOfInfo(seat: Seat): number {
  return answerOf("", "INFO", seat).size;
}

function answerOf(subject: string, verb: Verb, seat: Seat): Frame {
  const type = `io.nats.micro.v1.${verb === "PING" ? "ping" : verb === "INFO" ? "info" : "stats"}_response`;
  return frameOf(subject, JSON.stringify({ type, ...seat.service, ...detailOf(verb, seat) }));
}

function detailOf(verb: Verb, seat: Seat): object {
  const { endpoints, presence, startedAt } = seat;
  if (verb === "PING") return {};
  if (verb === "INFO") return { description: presence.description, endpoints };
  return { started: startedAt, endpoints: endpoints.map((one) => statsOf(one, seat)) };
}

/** The counters of the agent are those of its prompts; they continue over restarts, unlike those of the endpoint. */
function statsOf({ name, subject, queue_group }: Endpoint, { stats, tally }: Seat): object {
  const data = name === "prompt" ? numbersOf(tally) : {};
  return { name, subject, queue_group, ...stats[name].report, data };
}
