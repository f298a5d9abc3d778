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
/** Milliseconds that the bus has to answer when it is asked for a sign of life. */
const ALIVE_LIMIT_MS = 3_000;
/** The queue group that the agent protocol fixes. */
const QUEUE = "agents";
/** Larger requests are not worth a Worker's memory; the bus's own limit may be lower. */
const LARGEST_REQUEST = 1024 * 1024;

const encoder = new TextEncoder();

/** How the agent shows itself on the bus. */
export interface Presence {
  readonly identity: Identity;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a link hands on. None of them may throw. */
export interface Listener {
  prompt(payload: Uint8Array, reply: string, link: Link): void;
  signal(verb: string, payload: Uint8Array): void;
  /** The connection came back after it was lost. */
  restored(): void;
}

/** One connection with one registration on it: from `open` to `close` or `drop` under one instance id. */
export class Link {
  readonly subjects: Subjects;
  #up = true;
  /** The bus does not let the agent listen where it must. */
  #denied = false;
  #beat: number | null = null;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly service: Service,
    private readonly presence: Presence,
    /** Largest request in bytes, as the endpoint's metadata says. */
    readonly maxRequest: number,
  ) {
    this.subjects = subjectsOf(presence.identity);
  }

  /** Connects, registers and sends the first heartbeat. Throws WorkerError `bus_unavailable`. */
  static async open(access: WsConnectionOptions, presence: Presence, listener: Listener): Promise<Link> {
    const connection = await connect(access, presence.identity.session);
    try {
      const link = await Link.register(connection, presence, listener);
      void link.watch(listener);
      await link.requireAlive();
      link.startBeating();
      return link;
    } catch (thrown) {
      discard(connection);
      throw thrown;
    }
  }

  private static async register(
    connection: NatsConnection,
    presence: Presence,
    listener: Listener,
  ): Promise<Link> {
    const service = await new Svcm(connection).add({
      name: "agents",
      version: VERSION,
      description: presence.description,
      metadata: { ...presence.metadata },
      queue: QUEUE,
    });
    const maxRequest = Math.min(connection.info?.max_payload ?? LARGEST_REQUEST, LARGEST_REQUEST);
    const link = new Link(connection, service, presence, maxRequest);
    link.addEndpoints(listener);
    connection.subscribe(signalFilter(presence.identity), {
      callback: (error, message) => {
        if (!error) listener.signal(message.subject.split(".")[2] ?? "", message.data);
      },
    });
    return link;
  }

  get instanceId(): string {
    return this.service.info().id;
  }

  get up(): boolean {
    return this.#up && !this.#denied && !this.connection.isClosed();
  }

  /** Largest message of the bus in bytes. */
  get maxPayload(): number {
    return this.connection.info?.max_payload ?? LARGEST_REQUEST;
  }

  publish({ subject, data, headers }: Frame): void {
    this.connection.publish(subject, data, headers && { headers });
  }

  /** Delivers the one message that arrives on the subject; the function returned stops waiting. */
  expect(subject: string, deliver: (payload: Uint8Array) => void): () => void {
    const subscription = this.connection.subscribe(subject, {
      max: 1,
      callback: (error, message) => {
        if (!error) deliver(message.data);
      },
    });
    return () => subscription.unsubscribe();
  }

  /** Whether the bus answers now. A half-open socket looks healthy to everything but this question. */
  async alive(): Promise<boolean> {
    return this.up && (await within(ALIVE_LIMIT_MS, this.connection.flush())) && this.up;
  }

  /** Leaves the bus after what was published has been sent. */
  async close(): Promise<void> {
    this.stopBeating();
    const left = this.service.stop().then(() => this.connection.flush());
    await within(ALIVE_LIMIT_MS, left);
    discard(this.connection);
  }

  /** Lets go of a connection that no longer answers; waiting for its close handshake could take for ever. */
  drop(): void {
    this.stopBeating();
    discard(this.connection);
  }

  private async requireAlive(): Promise<void> {
    if (encoder.encode(JSON.stringify(this.service.info())).length > this.maxPayload / 2) {
      throw new WorkerError({
        code: "too_large",
        message: "labels and description are too long for one message of this bus",
      });
    }
    const answered = await this.alive();
    // What the bus said before its answer is still on its way through the status iterator.
    await scheduler.wait(0);
    if (answered && this.up) return;
    throw new WorkerError({
      code: "bus_unavailable",
      message:
        "the bus did not take the registration; check that the Worker's user may subscribe to its subjects",
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
      if (this.up) this.connection.publish(this.subjects.hb, this.heartbeat());
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
    // Without an inbox a question stays unanswered; without the rest there is no agent.
    this.#denied ||= operation === "subscription" && !subject.startsWith("_INBOX.");
  }

  private async watch(listener: Listener): Promise<void> {
    for await (const status of this.connection.status()) {
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

/** The protocol's notation of a size: `1MB`, `512KB`, `1000B`. */
function humanBytes(bytes: number): string {
  if (bytes % (1024 * 1024) === 0) return `${bytes / (1024 * 1024)}MB`;
  return bytes % 1024 === 0 ? `${bytes / 1024}KB` : `${bytes}B`;
}
