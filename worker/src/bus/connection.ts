import { errors, type NatsConnection, type WsConnectionOptions } from "@nats-io/nats-core";
import { type Service, type ServiceMsg, Svcm } from "@nats-io/services";
import { WorkerError } from "../errors.ts";
import { warn } from "../log.ts";
import { type Identity, type Subjects, signalFilter, subjectsOf } from "../subjects.ts";
import { VERSION } from "../version.ts";
import { connect, discard } from "./connect.ts";
import type { Frame } from "./frames.ts";

/** Seconds between two heartbeats. */
export const HEARTBEAT_S = 30;
/** How long the bus has to answer a ping, in milliseconds. */
const ALIVE_TIMEOUT_MS = 3_000;
/** The queue group required by the agent protocol. */
const QUEUE = "agents";
/** Largest request in bytes; the limit of the bus may be lower. */
const MAX_REQUEST_BYTES = 1024 * 1024;

const encoder = new TextEncoder();

/** How an agent appears on the bus. */
export interface Presence {
  readonly identity: Identity;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Callbacks of a connection. None of them may throw. */
export interface Listener {
  prompt(payload: Uint8Array, reply: string, connection: Connection): void;
  signal(verb: string, payload: Uint8Array): void;
  /** The connection came back after it was lost. */
  restored(): void;
}

/** A connection to the bus with one agent registered on it, from `open` to `close` or `drop`. */
export class Connection {
  readonly subjects: Subjects;
  #up = true;
  /** The bus denied a subscription that the agent needs. */
  #denied = false;
  #beat: number | null = null;

  private constructor(
    private readonly nats: NatsConnection,
    private readonly service: Service,
    private readonly presence: Presence,
    /** Largest request in bytes, as announced in the endpoint's metadata. */
    readonly maxRequest: number,
  ) {
    this.subjects = subjectsOf(presence.identity);
  }

  /** Connects, registers and sends the first heartbeat. Throws WorkerError `bus_unavailable`. */
  static async open(
    access: WsConnectionOptions,
    presence: Presence,
    listener: Listener,
  ): Promise<Connection> {
    const nats = await connect(access, presence.identity.session);
    try {
      const connection = await Connection.register(nats, presence, listener);
      void connection.watch(listener);
      await connection.requireAlive();
      connection.startBeating();
      return connection;
    } catch (thrown) {
      discard(nats);
      throw thrown;
    }
  }

  private static async register(
    nats: NatsConnection,
    presence: Presence,
    listener: Listener,
  ): Promise<Connection> {
    const service = await new Svcm(nats).add({
      name: "agents",
      version: VERSION,
      description: presence.description,
      metadata: { ...presence.metadata },
      queue: QUEUE,
    });
    const maxRequest = Math.min(nats.info?.max_payload ?? MAX_REQUEST_BYTES, MAX_REQUEST_BYTES);
    const connection = new Connection(nats, service, presence, maxRequest);
    connection.addEndpoints(listener);
    nats.subscribe(signalFilter(presence.identity), {
      callback: (error, message) => {
        if (!error) listener.signal(message.subject.split(".")[2] ?? "", message.data);
      },
    });
    return connection;
  }

  get instanceId(): string {
    return this.service.info().id;
  }

  get up(): boolean {
    return this.#up && !this.#denied && !this.nats.isClosed();
  }

  /** Largest message that the bus accepts, in bytes. */
  get maxPayload(): number {
    return this.nats.info?.max_payload ?? MAX_REQUEST_BYTES;
  }

  publish({ subject, data, headers }: Frame): void {
    this.nats.publish(subject, data, headers && { headers });
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

  /** Whether the bus answers a ping. Nothing else reveals a half-open socket. */
  async alive(): Promise<boolean> {
    return this.up && (await within(ALIVE_TIMEOUT_MS, this.nats.flush())) && this.up;
  }

  /** Leaves the bus once everything published has been sent. */
  async close(): Promise<void> {
    this.stopBeating();
    const left = this.service.stop().then(() => this.nats.flush());
    await within(ALIVE_TIMEOUT_MS, left);
    discard(this.nats);
  }

  /** Abandons a connection that no longer answers. */
  drop(): void {
    this.stopBeating();
    discard(this.nats);
  }

  private async requireAlive(): Promise<void> {
    if (encoder.encode(JSON.stringify(this.service.info())).length > this.maxPayload / 2) {
      throw new WorkerError({
        code: "too_large",
        message: "labels and description are too long for one message of this bus",
      });
    }
    const answered = await this.alive();
    // What the bus said before its answer arrives through an iterator, later.
    await scheduler.wait(0);
    if (answered && this.up) return;
    throw new WorkerError({
      code: "bus_unavailable",
      message:
        "the bus did not accept the registration; check that the Worker's NATS user may subscribe to the subjects in the README",
    });
  }

  private addEndpoints(listener: Listener): void {
    this.service.addEndpoint("prompt", {
      subject: this.subjects.prompt,
      queue: QUEUE,
      metadata: { max_payload: humanBytes(this.maxRequest), attachments_ok: "false" },
      handler: (error, message) => {
        if (!error) listener.prompt(message.data, message.reply ?? "", this);
      },
    });
    this.service.addEndpoint("status", {
      subject: this.subjects.status,
      queue: QUEUE,
      handler: (error, message) => {
        if (!error) this.answerStatus(message);
      },
    });
  }

  private answerStatus(message: ServiceMsg): void {
    message.respond(this.heartbeat());
  }

  private startBeating(): void {
    const beat = () => {
      if (this.up) this.nats.publish(this.subjects.hb, this.heartbeat());
    };
    beat();
    this.#beat = setInterval(beat, HEARTBEAT_S * 1000);
  }

  private stopBeating(): void {
    clearInterval(this.#beat);
  }

  private heartbeat(): string {
    const { agent, owner, session } = this.presence.metadata;
    return JSON.stringify({
      agent,
      owner,
      session,
      instance_id: this.instanceId,
      ts: new Date().toISOString(),
      interval_s: HEARTBEAT_S,
    });
  }

  #onError(error: Error): void {
    if (!(error instanceof errors.PermissionViolationError)) return;
    const { operation, subject } = error;
    warn("bus denied", { session: this.presence.identity.session, operation, subject });
    // Without inboxes, questions stay unanswered; without the rest there is no agent.
    this.#denied ||= operation === "subscription" && !subject.startsWith("_INBOX.");
  }

  private async watch(listener: Listener): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === "disconnect") this.#up = false;
      if (status.type === "error") this.#onError(status.error);
      if (status.type !== "reconnect") continue;
      this.#up = true;
      listener.restored();
    }
  }
}

/** Whether the work succeeds in time. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  let timer: number | null = null;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  const done = work.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A size as the protocol writes it: `1MB`, `512KB`, `1000B`. */
function humanBytes(bytes: number): string {
  if (bytes % (1024 * 1024) === 0) return `${bytes / (1024 * 1024)}MB`;
  return bytes % 1024 === 0 ? `${bytes / 1024}KB` : `${bytes}B`;
}
