import { errors, type NatsConnection, type WsConnectionOptions } from "@nats-io/nats-core";
import { type Fault, WorkerError } from "../errors.ts";
import { warn } from "../log.ts";
import { connect, discard } from "./connect.ts";
import type { Frame } from "./frames.ts";
import type { Wire } from "./wire.ts";

/** How long nothing may arrive while a ping is unanswered, in milliseconds. */
const ALIVE_TIMEOUT_MS = 3_000;
/** The slowest link on which the bytes before a ping may delay it, in bytes per millisecond; and for how long at most. */
const SLOW_RATE = 250;
const MAX_DELAY_MS = 15_000;
/** How long to wait for received data that has not been read yet, in milliseconds. */
const BUSY_MS = 100;
/** Largest request in bytes; the limit of the bus may be lower. */
const MAX_REQUEST_BYTES = 1024 * 1024;

const LOST = "the connection to the bus was lost";
const SILENT = "the bus does not answer; check the network path to NATS_WS_URL";
const DENIED =
  "the bus did not accept the registration; check that the Worker's NATS user may subscribe and publish to the subjects in the README";
export const TOO_FEW_SUBSCRIPTIONS =
  "the bus allows this connection too few subscriptions; raise max_subscriptions of the server or the subscription limit of the account, or stop agents";
const COMPLAINED = "the bus refused a part of the registration; its log says why";
const NO_HEADERS =
  "the bus has headers turned off, and errors are reported in headers; remove no_header_support from its configuration";

/** A message that arrived; `reply` is empty if the sender expects no answer. */
export interface Incoming {
  readonly subject: string;
  readonly reply: string;
  readonly data: Uint8Array;
}

/** The outcome of a request on a subject: an answer, or why there is none. */
export type Asked = Uint8Array | "nobody" | "silent" | "not permitted";

/** One connection to the bus. It is never repaired: once lost, it is replaced. */
export class Connection {
  #up = true;
  readonly #complaints: Fault[] = [];
  /** Callbacks for denied requests, by subject. */
  readonly #asking = new Map<string, () => void>();

  private constructor(
    private readonly name: string,
    private readonly nats: NatsConnection,
    private readonly wire: Wire,
    /** Called once if the connection ends by itself, or becomes unusable. */
    private readonly lost: (cause: Fault) => void,
  ) {}

  /** Throws WorkerError `bus_unavailable`. */
  static async open(
    options: WsConnectionOptions,
    name: string,
    lost: (cause: Fault) => void,
  ): Promise<Connection> {
    const { nats, wire } = await connect(options, name);
    if (nats.info?.headers !== true) {
      discard(nats);
      throw unavailable(NO_HEADERS);
    }
    const connection = new Connection(name, nats, wire, lost);
    void connection.#watch();
    return connection;
  }

  get up(): boolean {
    return this.#up && !this.nats.isClosed();
  }

  /** Largest message that the bus accepts, in bytes. */
  get maxPayload(): number {
    return this.nats.info?.max_payload ?? MAX_REQUEST_BYTES;
  }

  /** Largest request that an agent accepts, in bytes. */
  get maxRequest(): number {
    return Math.min(this.maxPayload, MAX_REQUEST_BYTES);
  }

  /** Bytes that are waiting to be sent. */
  get backlog(): number {
    return this.wire.backlog;
  }

  /** Throws when the connection is closed. */
  publish({ subject, data, headers }: Frame): void {
    this.nats.publish(subject, data, headers && { headers });
  }

  /** Returns a function that ends the subscription. */
  subscribe(subject: string, deliver: (message: Incoming) => void, queue?: string): () => void {
    const subscription = this.nats.subscribe(subject, {
      ...(queue && { queue }),
      callback: (error, { subject, reply, data }) => {
        if (!error) deliver({ subject, reply: reply ?? "", data });
      },
    });
    return () => subscription.unsubscribe();
  }

  /** Delivers the first message on the subject; the returned function stops waiting for it. */
  expect(subject: string, deliver: (payload: Uint8Array) => void): () => void {
    const subscription = this.nats.subscribe(subject, {
      max: 1,
      callback: (error, message) => {
        if (!error) deliver(message.data);
      },
    });
    return () => subscription.unsubscribe();
  }

  /** Sends an empty request and waits for the first answer. */
  async ask(subject: string, timeoutMs: number): Promise<Asked> {
    const { promise, resolve } = Promise.withResolvers<Asked>();
    const inbox = `_INBOX.${crypto.randomUUID()}`;
    const subscription = this.nats.subscribe(inbox, {
      max: 1,
      callback: (error, message) => {
        if (error) resolve("not permitted");
        else resolve(message.headers?.code === 503 ? "nobody" : message.data);
      },
    });
    this.#asking.set(subject, () => resolve("not permitted"));
    const timer = setTimeout(() => resolve("silent"), timeoutMs);
    try {
      this.nats.publish(subject, undefined, { reply: inbox });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#asking.delete(subject);
      subscription.unsubscribe();
    }
  }

  /**
   * Whether the bus answers a ping, as long as data keeps arriving. Nothing else reveals a half-open socket, which accepts
   * everything that is sent.
   */
  async alive(): Promise<boolean> {
    if (!this.up) return false;
    const pong = this.nats.flush();
    const delayMs = Math.min(this.wire.unanswered / SLOW_RATE, MAX_DELAY_MS);
    let timeoutMs = ALIVE_TIMEOUT_MS + delayMs;
    for (;;) {
      const { received } = this.wire;
      const outcome = await within(timeoutMs, pong);
      if (outcome !== "late") return outcome === "done" && this.up;
      // In a busy isolate, received data may be waiting behind this timer.
      await scheduler.wait(BUSY_MS);
      if (this.wire.received === received) return false;
      timeoutMs = ALIVE_TIMEOUT_MS;
    }
  }

  /** How many errors the bus has sent so far; see `prove`. */
  get complaints(): number {
    return this.#complaints.length;
  }

  /** Waits until the bus has processed everything sent so far. Throws WorkerError if it sent an error meanwhile. */
  async prove(complaintsBefore: number): Promise<void> {
    if (!(await this.alive())) throw new WorkerError(this.#complaints[complaintsBefore] ?? fault(SILENT));
    // Errors that the bus sent before its answer arrive through an iterator, a tick later.
    await scheduler.wait(0);
    const complaint = this.#complaints[complaintsBefore];
    if (complaint) throw new WorkerError(complaint);
  }

  /** Closes the connection once everything published has been sent. */
  async close(): Promise<void> {
    await this.alive();
    this.drop();
  }

  /** Abandons the connection. */
  drop(): void {
    this.#up = false;
    discard(this.nats);
  }

  #lose(cause: Fault): void {
    if (!this.#up) return;
    this.drop();
    this.lost(cause);
  }

  async #watch(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === "error") this.#onError(status.error);
      if (status.type === "disconnect" || status.type === "close") this.#lose(lost());
    }
    this.#lose(lost());
  }

  #onError(error: Error): void {
    if (!(error instanceof errors.PermissionViolationError)) {
      const few = /subscriptions/i.test(error.message);
      warn("bus complained", { connection: this.name, cause: few ? "too many subscriptions" : "other" });
      this.#complaints.push(fault(few ? TOO_FEW_SUBSCRIPTIONS : COMPLAINED));
      return;
    }
    const { operation, subject } = error;
    const asking = this.#asking.get(subject);
    if (operation === "publish" && asking) {
      asking();
      return;
    }
    warn("bus denied", { connection: this.name, operation, subject });
    // Denied inboxes only leave requests unanswered, and other subjects belong to callers.
    const ours = operation === "subscription" ? !subject.startsWith("_INBOX.") : isHeartbeat(subject);
    if (!ours) return;
    this.#complaints.push(fault(DENIED));
    // A revoked permission ends a subscription silently.
    if (operation === "subscription") this.#lose(fault(DENIED));
  }
}

export function lost(): Fault {
  return fault(LOST);
}

function isHeartbeat(subject: string): boolean {
  return subject.startsWith("agents.hb.");
}

/** Whether the work succeeds or fails within the time. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<"done" | "failed" | "late"> {
  let timer: number | null = null;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), milliseconds);
  });
  const settled = work.then(
    () => "done" as const,
    () => "failed" as const,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

function fault(message: string): Fault {
  return { code: "bus_unavailable", message };
}

function unavailable(message: string): WorkerError {
  return new WorkerError(fault(message));
}
