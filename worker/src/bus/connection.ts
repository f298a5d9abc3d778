import { errors, type NatsConnection, type WsConnectionOptions } from "@nats-io/nats-core";
import { type Fault, faultOf, WorkerError } from "../errors.ts";
import { warn } from "../log.ts";
import { connect, discard } from "./connect.ts";
import { type Frame, sizeOf } from "./frames.ts";
import type { Wire } from "./wire.ts";

/** How long no bytes may move while a ping is unanswered, in milliseconds. */
const ALIVE_TIMEOUT_MS = 3_000;
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
const NO_INBOX =
  "the bus does not let the agent receive an answer; allow the Worker's NATS user to subscribe to _INBOX.>";
const NO_HEADERS =
  "the bus has headers turned off, and errors are reported in headers; remove no_header_support from its configuration";

/** A message that arrived; `reply` is empty if the sender expects no answer. */
export interface Incoming {
  readonly subject: string;
  readonly reply: string;
  readonly data: Uint8Array;
}

export interface BusSubscription {
  close(): void;
  /** Asks the server to send no more; what is already on its way is still delivered. */
  drain(): void;
}

/** Waiting for one message. */
export interface Expectation {
  forget(): void;
  /** Why the bus does not accept the subscription; undefined if it does. */
  refusal(): Promise<Fault | undefined>;
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

  /** Throws when the connection is closed. A message that is too large for the bus is dropped. */
  publish(frame: Frame): void {
    const { subject, data, headers } = frame;
    if (sizeOf(frame) > this.maxPayload) warn("too large for the bus", { connection: this.name, subject });
    else this.nats.publish(subject, data, headers && { headers });
  }

  subscribe(subject: string, deliver: (message: Incoming) => void, queue?: string): BusSubscription {
    const subscription = this.nats.subscribe(subject, {
      ...(queue && { queue }),
      callback: (error, { subject, reply, data }) => {
        if (!error) deliver({ subject, reply: reply ?? "", data });
      },
    });
    return {
      close: () => subscription.unsubscribe(),
      drain: () => void subscription.drain().catch(() => undefined),
    };
  }

  /** Delivers the first message on the subject. */
  expect(subject: string, deliver: (payload: Uint8Array) => void): Expectation {
    const before = this.complaints;
    let isDenied = false;
    const subscription = this.nats.subscribe(subject, {
      max: 1,
      callback: (error, message) => {
        if (error) isDenied = true;
        else deliver(message.data);
      },
    });
    return {
      forget: () => subscription.unsubscribe(),
      refusal: async () => {
        await this.#settled(before);
        return isDenied ? fault(NO_INBOX) : this.#complaints[before];
      },
    };
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

  /** Whether the bus answers a ping, as long as bytes keep moving. Nothing else reveals a half-open socket. */
  async alive(): Promise<boolean> {
    if (!this.up) return false;
    const pong = this.nats.flush();
    for (;;) {
      const { progress } = this.wire;
      const outcome = await within(ALIVE_TIMEOUT_MS, pong);
      if (outcome !== "late") return outcome === "done" && this.up;
      // In a busy isolate, received data may be waiting behind this timer.
      await scheduler.wait(BUSY_MS);
      if (this.wire.progress === progress) return false;
    }
  }

  /** How many errors the bus has sent so far; see `prove`. */
  get complaints(): number {
    return this.#complaints.length;
  }

  /**
   * Waits until the bus has processed everything sent so far, and checks that it allows one more subscription, as a question
   * to a caller needs. Throws WorkerError if it sent an error meanwhile.
   */
  async prove(complaintsBefore: number): Promise<void> {
    const { forget } = this.expect(`_INBOX.${crypto.randomUUID()}`, () => undefined);
    const complaint = await this.#settled(complaintsBefore);
    if (complaint) throw new WorkerError(complaint);
    forget();
  }

  /** Waits until the bus has processed everything sent so far; returns the first error that it sent meanwhile. */
  async #settled(complaintsBefore: number): Promise<Fault | undefined> {
    const isAlive = await this.alive();
    // Errors that the bus sent before its answer arrive through an iterator, a tick later.
    if (isAlive) await scheduler.wait(0);
    return this.#complaints[complaintsBefore] ?? (isAlive ? undefined : fault(SILENT));
  }

  /** Replaces the connection if the bus has refused something that was sent. */
  async confirm(): Promise<void> {
    const before = this.complaints;
    await this.prove(before).catch((thrown) => this.#lose(faultOf(thrown)));
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
