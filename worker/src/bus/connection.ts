import { type Fault, faultOf, WorkerError } from "../errors.ts";
import { warn } from "../log.ts";
import { connect, REFUSED } from "./connect.ts";
import type { Frame } from "./frames.ts";
import type { Incoming, Link, Subscription, SubscriptionOptions } from "./link.ts";
import type { BusOptions } from "./options.ts";

/** How long nothing may arrive while a ping is unanswered, in milliseconds. */
const ALIVE_TIMEOUT_MS = 3_000;
/** The slowest link on which the bytes before a ping may delay it, in bytes per millisecond; and for how long at most. */
const SLOW_RATE = 250;
const MAX_DELAY_MS = 15_000;
/** How long data may take on its way through a busy isolate, in milliseconds. */
const BUSY_MS = 100;
/** Bytes that may wait for the network before turns have to wait. */
const MAX_BACKLOG_BYTES = 1024 * 1024;
/** How often the backlog is checked, in milliseconds. */
const BACKLOG_PERIOD_MS = 10;
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

/** The errors of the server that do not concern a subject: what the log says, and the cause. */
const COMPLAINTS: readonly (readonly [pattern: RegExp, logged: string, message: string])[] = [
  [/subscriptions/i, "too many subscriptions", TOO_FEW_SUBSCRIPTIONS],
  [/expired|revoked|authori[sz]ation|authentication/i, "credentials refused", REFUSED],
  [/maximum payload/i, "message too large", COMPLAINED],
  [/slow consumer/i, "too much is waiting for the agent", COMPLAINED],
  [/stale/i, "its pings were not answered", COMPLAINED],
];
const OTHER = [undefined, "other", COMPLAINED] as const;

/** How the server reports a missing permission. */
const VIOLATION = /permissions violation for (publish|subscription) to "(\S+)"/i;

/** Waiting for one message. */
export interface Expectation {
  forget(): void;
  /** Why the bus does not accept the subscription; undefined if it does. */
  refusal(): Promise<Fault | undefined>;
}

/** The outcome of a request on a subject: an answer, or why there is none. */
export type Asked = Uint8Array | "nobody" | "silent" | "not permitted";

export interface ConnectionEvents {
  /** Called once if the connection ends by itself, or becomes unusable. */
  lost(cause: Fault): void;
  /** The bus refuses a subscription or a heartbeat. Whether the connection is still of use to others. */
  denied(subject: string): boolean;
}

/** One connection to the bus. It is never repaired: once lost, it is replaced. */
export class Connection {
  #up = true;
  readonly #complaints: Fault[] = [];
  /** Callbacks for requests and inboxes that are not permitted, by subject. */
  readonly #denied = new Map<string, () => void>();

  private constructor(
    private readonly name: string,
    private readonly link: Link,
    private readonly events: ConnectionEvents,
  ) {
    link.events = {
      complained: (text) => this.#onComplaint(text),
      ended: () => this.#lose(lostFault()),
    };
  }

  /** Throws WorkerError `bus_unavailable`. */
  static async open(options: BusOptions, name: string, events: ConnectionEvents): Promise<Connection> {
    const link = await connect(options, name);
    if (link.info?.headers === true) return new Connection(name, link, events);
    link.drop();
    throw unavailable(NO_HEADERS);
  }

  get up(): boolean {
    return this.#up && this.link.isOpen;
  }

  /** Largest message that the bus accepts, in bytes. */
  get maxPayload(): number {
    return this.link.info?.max_payload ?? MAX_REQUEST_BYTES;
  }

  /** Largest request that an agent accepts, in bytes. */
  get maxRequest(): number {
    return Math.min(this.maxPayload, MAX_REQUEST_BYTES);
  }

  /** Whether so much is waiting to be sent that more should wait for the network. */
  get isBehind(): boolean {
    return this.up && this.link.backlog > MAX_BACKLOG_BYTES;
  }

  /** Resolves once the network has caught up, or the connection has ended. */
  async drained(): Promise<void> {
    while (this.isBehind) await scheduler.wait(BACKLOG_PERIOD_MS);
  }

  /** Whether the connection is open and the frame is not larger than the bus accepts: otherwise, nothing is sent. */
  publish(frame: Frame): boolean {
    if (!this.up) return false;
    if (frame.size > this.maxPayload) {
      warn("too large for the bus", { connection: this.name, subject: frame.subject });
      return false;
    }
    this.link.publish(frame);
    return true;
  }

  subscribe(
    subject: string,
    deliver: (message: Incoming) => void,
    options: SubscriptionOptions = {},
  ): Subscription {
    return this.link.subscribe(subject, deliver, options);
  }

  /** Delivers the first message on the subject. */
  expect(subject: string, deliver: (payload: Uint8Array) => void): Expectation {
    const before = this.complaints;
    let isDenied = false;
    this.#denied.set(subject, () => {
      isDenied = true;
    });
    const close = this.link.expect(subject, ({ data }) => {
      this.#denied.delete(subject);
      deliver(data);
    });
    return {
      forget: () => {
        this.#denied.delete(subject);
        close();
      },
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
    for (const one of [subject, inbox]) this.#denied.set(one, () => resolve("not permitted"));
    const end = this.link.expect(inbox, (message) => resolve(message.isFromNobody ? "nobody" : message.data));
    const timer = setTimeout(() => resolve("silent"), timeoutMs);
    try {
      this.link.request(subject, inbox);
      return await promise;
    } finally {
      clearTimeout(timer);
      for (const one of [subject, inbox]) this.#denied.delete(one);
      end();
    }
  }

  /**
   * Whether the bus answers a ping, as long as data keeps arriving. Nothing else reveals a half-open socket, which accepts
   * everything that is sent.
   */
  async alive(): Promise<boolean> {
    if (!this.up) return false;
    const pong = this.link.ping();
    const delayMs = Math.min(this.link.unanswered / SLOW_RATE, MAX_DELAY_MS);
    let timeoutMs = ALIVE_TIMEOUT_MS + delayMs;
    for (;;) {
      const { received } = this.link;
      if (await isWithin(timeoutMs, pong)) return this.up;
      // In a busy isolate, received data may be waiting behind this timer.
      await scheduler.wait(BUSY_MS);
      if (this.link.received === received) return false;
      timeoutMs = ALIVE_TIMEOUT_MS;
    }
  }

  /**
   * Whether the bus has processed everything sent so far, and what it sent before has arrived; false if the connection ends
   * before.
   */
  async processed(): Promise<boolean> {
    await this.link.ping();
    return this.up;
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
    forget();
    if (complaint) throw new WorkerError(complaint);
  }

  /** Waits until the bus has processed everything sent so far; returns the first error that it sent meanwhile. */
  async #settled(complaintsBefore: number): Promise<Fault | undefined> {
    const isAlive = await this.alive();
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
    this.link.drop();
  }

  #lose(cause: Fault): void {
    if (!this.#up) return;
    this.drop();
    this.events.lost(cause);
  }

  #onComplaint(text: string): void {
    const [, operation, subject] = VIOLATION.exec(text) ?? [];
    if (operation === undefined || subject === undefined) {
      const [, logged, message] = COMPLAINTS.find(([pattern]) => pattern.test(text)) ?? OTHER;
      warn("bus complained", { connection: this.name, cause: logged });
      this.#complaints.push(fault(message));
      return;
    }
    this.#onDenial(operation.toLowerCase(), subject);
  }

  #onDenial(operation: string, subject: string): void {
    const denied = this.#denied.get(subject);
    denied?.();
    if (denied && operation === "publish") return;
    warn("bus denied", { connection: this.name, operation, subject });
    // Denied inboxes only leave requests unanswered, and heartbeats are listened to for a rival only.
    const isOurs = isHeartbeat(subject) === (operation === "publish") && !subject.startsWith("_INBOX.");
    if (!isOurs || this.events.denied(subject)) return;
    this.#complaints.push(deniedFault());
    // A revoked permission ends a subscription silently.
    this.#lose(deniedFault());
  }
}

/** The bus does not let an agent subscribe or publish what it must. */
export function deniedFault(): Fault {
  return fault(DENIED);
}

/** Whether the bus refuses what only its operator can allow, so that frequent attempts are of no use. */
export function isUpToOperator({ message }: Fault): boolean {
  return message === REFUSED || message === DENIED;
}

export function lostFault(): Fault {
  return fault(LOST);
}

function isHeartbeat(subject: string): boolean {
  return subject.startsWith("agents.hb.");
}

/** Whether the work ends within the time. */
async function isWithin(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  let timer: number | null = null;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
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
