import { nuid } from "@nats-io/nats-core";
import { Share } from "../budget.ts";
import type { Cancellation } from "../cancellation.ts";
import { type Fault, faultOf, WorkerError } from "../errors.ts";
import { timerMs } from "../limits.ts";
import { warn } from "../log.ts";
import { outcomeOf } from "../outcome.ts";
import { type Identity, isReplySubject, type Subjects, signalFilter, subjectsOf } from "../subjects.ts";
import { addUsage, type Tally, type Usage } from "../tally.ts";
import { VERSION } from "../version.ts";
import type { Connection } from "./connection.ts";
import { envelopeOf } from "./envelope.ts";
import { frameOf } from "./frames.ts";
import { Inlet } from "./inlet.ts";
import type { Incoming } from "./link.ts";
import type { Outbox } from "./outbox.ts";
import { type Job, PromptQueue } from "./queue.ts";
import { redirectOf } from "./redirect.ts";
import { Reply, type StreamEnd } from "./reply.ts";
import { EndpointStats } from "./stats.ts";
import type { OpenStream, Part, Sink, TurnRunner } from "./turns.ts";

/** Seconds between two heartbeats. */
export const HEARTBEAT_S = 30;
/** The queue group required by the agent protocol. */
const QUEUE = "agents";
/** How many redirects are remembered, to run each only once. */
const MAX_REDIRECTS = 64;

const FULL: Fault = {
  code: "overloaded",
  message: "too many bytes are already waiting for this agent; try again later",
};

const NOBODY: Fault = {
  code: "unanswered",
  message: "the caller cannot be asked: the prompt has no reply subject",
};
const NOT_A_REPLY: Fault = {
  code: "bad_request",
  message: "its reply subject is not one that an agent may answer on",
};

/** An agent's identity and metadata on the bus. */
export interface Presence {
  readonly identity: Identity;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Endpoint {
  readonly name: "prompt" | "status";
  readonly subject: string;
  readonly queue_group: string;
}

interface PromptEndpoint extends Endpoint {
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a seat needs from its connection's `Seats`. */
export interface SeatContext {
  readonly outbox: Outbox;
  readonly runner: TurnRunner;
  /** Seconds that a caller has to answer a question. */
  readonly queryLimitS: () => number;
  /** Called after a stream of the session was opened or ended, or tokens were counted. */
  readonly changed: (session: string) => void;
}

/** One agent on the bus: its subjects, its queue of prompts and the streams that answer them. */
export class Seat {
  readonly instanceId = nuid.next();
  readonly startedAt = new Date().toISOString();
  readonly subjects: Subjects;
  readonly session: string;
  readonly share = new Share();
  readonly #queue: PromptQueue;
  #redirects: string[] = [];
  /** The kinds of messages that were ignored and logged. */
  readonly #ignored = new Set<string>();
  readonly #inlets: readonly Inlet[];
  #maxRequest = 0;
  readonly stats = { prompt: new EndpointStats(), status: new EndpointStats() };

  constructor(
    readonly presence: Presence,
    /** What the agent has done; the seat counts it. */
    readonly tally: Tally,
    private readonly context: SeatContext,
  ) {
    this.session = presence.identity.session;
    this.subjects = subjectsOf(presence.identity);
    this.#queue = new PromptQueue(
      (job, cancellation) => this.#answer(job, cancellation),
      () => context.changed(this.session),
    );
    this.#inlets = [
      new Inlet(this.subjects.prompt, { queue: QUEUE, deliver: (message) => this.#onPrompt(message) }),
      new Inlet(this.subjects.status, {
        queue: QUEUE,
        deliver: (message, connection) => this.#onStatus(message, connection),
      }),
      new Inlet(signalFilter(presence.identity), { deliver: (message) => this.#onSignal(message) }),
    ];
  }

  get busy(): boolean {
    return this.#queue.busy;
  }

  /** The streams that a restart would cut off, including those whose end is held back. */
  get openStreams(): OpenStream[] {
    const open = this.#queue.openStreams;
    const known = new Set(open.map(({ subject }) => subject));
    const held = [...this.context.outbox.heldSubjects(this.share)].filter((subject) => !known.has(subject));
    return [...open, ...held.map((subject) => ({ subject }))];
  }

  /** Largest request in bytes, as announced in the metadata of the endpoint. */
  get maxRequest(): number {
    return this.#maxRequest;
  }

  /** Whether the agent needs the subject. */
  uses(subject: string): boolean {
    const { prompt, status, hb } = this.subjects;
    return [prompt, status, hb, signalFilter(this.presence.identity)].includes(subject);
  }

  /** Subscribes to prompts, status requests and signals. */
  attach(connection: Connection): void {
    this.#maxRequest = connection.maxRequest;
    for (const inlet of this.#inlets) inlet.open(connection);
  }

  /** Ends the subscriptions. */
  detach(): void {
    for (const inlet of this.#inlets) inlet.close();
  }

  /** Ends all streams. */
  stop(): void {
    this.#queue.stop();
  }

  /** Ends a stream that was left open by a restart of the agent. */
  endOrphan(subject: string, fault: Fault | undefined): void {
    const reply = this.#reply(subject);
    reply.resume();
    if (fault) reply.fail(fault);
    else reply.abort();
  }

  /** Continues a turn whose stream was left open by a restart of the hub. */
  resume(subject: string, id: string): void {
    const reply = this.#reply(subject);
    this.#queue.resume({ id, prompt: undefined, reply });
  }

  heartbeat(): string {
    const { agent, owner, session, protocol_version, pane_id } = this.presence.metadata;
    const [prompt] = this.endpoints;
    const beat = {
      agent,
      owner,
      session,
      instance_id: this.instanceId,
      ts: new Date().toISOString(),
      interval_s: HEARTBEAT_S,
      protocol_version,
      pane_id,
      endpoints: { prompt: { subject: prompt.subject, metadata: prompt.metadata } },
    };
    return JSON.stringify(beat);
  }

  /** The fields that all answers to discovery have in common. */
  get service(): object {
    return { name: "agents", id: this.instanceId, version: VERSION, metadata: this.presence.metadata };
  }

  get endpoints(): readonly [PromptEndpoint, Endpoint] {
    const { prompt, status } = this.subjects;
    const metadata = {
      max_payload: humanBytes(this.#maxRequest),
      attachments_ok: "false",
      // Prompts need no signature, as in every agent without the protocol's §13.
      min_sender_trust: "any",
    };
    return [
      { name: "prompt", subject: prompt, queue_group: QUEUE, metadata },
      { name: "status", subject: status, queue_group: QUEUE },
    ];
  }

  #onSignal({ subject, data }: Incoming): void {
    const verb = subject.split(".")[2];
    if (verb === "redirect") this.#onRedirect(data);
    else if (verb === "interrupt") this.#queue.interrupt();
    else this.#ignore("a signal", "its verb is unknown");
  }

  #onStatus({ reply }: Incoming, connection: Connection): void {
    const ended = this.stats.status.begin();
    const isMisled = reply !== "" && !isReplySubject(reply);
    if (isMisled) this.#ignore("a status request", NOT_A_REPLY.message);
    else if (reply !== "") connection.publish(frameOf(reply, this.heartbeat()));
    ended(isMisled ? NOT_A_REPLY : undefined);
  }

  /** Logs each kind only once, so that senders cannot flood the log, and without the content, which may be a prompt. */
  #ignore(what: string, why: string): void {
    if (this.#ignored.has(what + why)) return;
    this.#ignored.add(what + why);
    warn("ignored", { session: this.session, what, why });
  }

  #onPrompt({ data, reply: subject }: Incoming): void {
    const ended = this.stats.prompt.begin();
    if (subject === "" || isReplySubject(subject)) {
      this.#submit(data, this.#reply(subject, ended));
      return;
    }
    this.#ignore("a prompt", NOT_A_REPLY.message);
    ended(NOT_A_REPLY);
  }

  /** A stream whose end is counted; `requestEnded` is called for one that answers a request. */
  #reply(subject: string, requestEnded?: (fault?: Fault) => void): Reply {
    return new Reply(this.context.outbox, subject, this.share, {
      accepted: () => {
        this.tally.lastPromptAt = Date.now();
      },
      ended: (end, wasAccepted) => {
        if (wasAccepted) this.#count(end);
        requestEnded?.(typeof end === "string" ? undefined : end);
      },
    });
  }

  #count(end: StreamEnd): void {
    if (end === "answered") this.tally.answered += 1;
    else this.tally.failed += 1;
  }

  #used(usage: Usage | undefined): void {
    if (usage === undefined) return;
    addUsage(this.tally, usage);
    this.context.changed(this.session);
  }

  #submit(data: Uint8Array, reply: Reply): void {
    try {
      const isFull = data.length <= this.#maxRequest && !reply.reserve(data.length);
      if (isFull) throw new WorkerError(FULL);
      const { prompt } = envelopeOf(data, this.#maxRequest);
      this.#queue.submit({ id: crypto.randomUUID(), prompt, reply });
    } catch (thrown) {
      reply.fail(faultOf(thrown));
    }
  }

  #onRedirect(payload: Uint8Array): void {
    const redirect =
      payload.length <= this.#maxRequest ? redirectOf(payload) : "it is larger than max_payload";
    if (typeof redirect === "string") {
      this.#ignore("a redirect", redirect);
      return;
    }
    const { prompt } = redirect.envelope;
    const digest = digestOf(`${redirect.reply}\n${prompt}`);
    if (this.#redirects.includes(digest)) return;
    this.#redirects = [...this.#redirects, digest].slice(-MAX_REDIRECTS);
    const reply = this.#reply(redirect.reply);
    if (reply.reserve(payload.length)) this.#queue.redirect({ id: crypto.randomUUID(), prompt, reply });
    else reply.fail(FULL);
  }

  async #answer({ id, prompt, reply }: Job, cancellation: Cancellation): Promise<void> {
    const { runner, outbox } = this.context;
    await outbox.drained();
    cancellation.throwIfCancelled();
    cancellation.onCancel(() => runner.cancel(this.session, id));
    const sink: Sink = {
      parts: async (parts, usage) => {
        this.#used(usage);
        this.#publishParts(parts, reply);
        await outbox.drained();
      },
      ask: (question) => outcomeOf(() => this.#ask(question, reply, cancellation)),
    };
    const { rest, fault, usage } = await (prompt === undefined
      ? runner.rejoin(this.session, id, sink)
      : runner.turn(this.session, { id, prompt, maxPayload: outbox.maxPayload }, sink));
    this.#used(usage);
    if (cancellation.reason) return;
    this.#publishParts(rest, reply);
    if (fault) throw new WorkerError(fault);
  }

  /** A part that cannot be published ends its stream, but is not an error of the turn. */
  #publishParts(parts: readonly Part[], reply: Reply): void {
    try {
      publishParts(parts, reply);
    } catch (thrown) {
      reply.fail(faultOf(thrown));
    }
  }

  async #ask(question: string, reply: Reply, cancellation: Cancellation): Promise<string> {
    cancellation.throwIfCancelled();
    if (!reply.hasListener) throw new WorkerError(NOBODY);
    const { outbox, queryLimitS } = this.context;
    const limitS = queryLimitS();
    const { subject, answer, refusal, forget } = outbox.question();
    const { promise: never, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(unanswered(limitS)), timerMs(limitS));
    try {
      const refused = await Promise.race([refusal(), never]);
      if (refused) throw new WorkerError({ ...refused, code: "unanswered" });
      reply.query({ id: crypto.randomUUID(), reply_subject: subject, prompt: question });
      const payload = await cancellation.race(Promise.race([answer, never]));
      return envelopeOf(payload, this.#maxRequest).prompt.toWellFormed();
    } finally {
      clearTimeout(timer);
      forget();
    }
  }
}

function publishParts(parts: readonly Part[], reply: Reply): void {
  for (const [kind, data] of parts) {
    if (kind === "text") reply.response(data);
    else reply.status(data);
  }
}

/**
 * A hash of a text, synchronous because waiting for a digest would let a later message overtake this one. It need not
 * resist collisions: a sender could only lose its own redirects.
 */
function digestOf(text: string): string {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  return `${text.length}:${a >>> 0}:${b >>> 0}`;
}

function unanswered(limitS: number): WorkerError {
  return new WorkerError({
    code: "unanswered",
    message: `the caller did not answer the question within ${limitS} s`,
  });
}

/** A size as the protocol writes it: `1MB`, `512KB`, `1000B`. */
function humanBytes(bytes: number): string {
  if (bytes % (1024 * 1024) === 0) return `${bytes / (1024 * 1024)}MB`;
  return bytes % 1024 === 0 ? `${bytes / 1024}KB` : `${bytes}B`;
}
