import type { Authenticator, ServerInfo } from "@nats-io/nats-core";
import { Kind, type MsgArg, Parser, type ParserEvent, State } from "@nats-io/nats-core/internal";
import { errorDetail, warn } from "../log.ts";
import { commandOf, type Frame } from "./frames.ts";
import type { Wire } from "./wire.ts";

/** How long the line of a command may be, in bytes: the parser would gather it without end. */
const MAX_LINE_BYTES = 256 * 1024;

const decoder = new TextDecoder();

export interface Incoming {
  readonly subject: string;
  /** Empty if the sender expects no answer. */
  readonly reply: string;
  readonly data: Uint8Array;
}

export interface Subscription {
  close(): void;
  /** Asks the server to send no more; what is already on its way is still delivered. */
  drain(): void;
  /** Asks the server to end the subscription after so many messages in all, or now if it has sent as many. */
  limit(messages: number): void;
}

export interface SubscriptionOptions {
  readonly queue?: string | undefined;
  /** After how many messages the server ends the subscription. */
  readonly limit?: number;
  /** Called with the size of a message while it arrives in several parts, once for each of them but the last. */
  readonly arriving?: (bytes: number) => void;
}

interface Receiver {
  readonly deliver: (message: Message) => void;
  readonly arriving: ((bytes: number) => void) | undefined;
}

/** A message that arrived. Its parts are decoded when they are read. */
export class Message implements Incoming {
  constructor(
    private readonly head: MsgArg,
    private readonly body: Uint8Array,
  ) {}

  get subject(): string {
    return decoder.decode(this.head.subject);
  }

  get reply(): string {
    return this.head.reply ? decoder.decode(this.head.reply) : "";
  }

  get data(): Uint8Array {
    return this.head.hdr > 0 ? this.body.subarray(this.head.hdr) : this.body;
  }

  /** Whether it is the server's answer that nobody subscribes to the subject of a request. */
  get isFromNobody(): boolean {
    const { hdr } = this.head;
    return hdr > 0 && decoder.decode(this.body.subarray(0, hdr)).startsWith("NATS/1.0 503");
  }
}

/** How the client introduces itself; the server shows it in its monitoring. */
export interface Introduction {
  readonly name: string;
  readonly lang: string;
  readonly version: string;
}

export interface LinkEvents {
  /** The server sent an error. */
  complained(text: string): void;
  /** Called once, unless the link was dropped. */
  ended(): void;
}

/**
 * The protocol of NATS on one connection, with the library's parser and authentication. The library's own client delivers
 * each message some steps later, which delays every answer, and repairs connections, which are replaced here.
 */
export class Link {
  #info: ServerInfo | undefined;
  #lastId = 0;
  /** What each subscription does with a message. */
  readonly #receivers = new Map<number, Receiver>();
  /** The callbacks of pings, in their order. */
  readonly #pongs: (() => void)[] = [];
  readonly #parser = new Parser({ push: (event) => this.#onEvent(event as ParserEvent) });
  readonly #ready = Promise.withResolvers<void>();
  /** Bytes that have arrived since the line of a command began that is not complete. */
  #lineBytes = 0;

  constructor(
    private readonly wire: Wire,
    private readonly introduction: Introduction,
    private readonly authenticator: Authenticator | undefined,
    public events: LinkEvents,
  ) {
    wire.start({ received: (bytes) => this.#onBytes(bytes), ended: () => this.#onEnd() });
  }

  /** Resolves once the server has accepted the credentials. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isOpen(): boolean {
    return this.wire.isOpen;
  }

  /** Bytes that wait to be sent. */
  get backlog(): number {
    return this.wire.backlog;
  }

  /** How many messages of the WebSocket have arrived. */
  get received(): number {
    return this.wire.received;
  }

  /** Bytes that were written since anything last arrived. */
  get unanswered(): number {
    return this.wire.unanswered;
  }

  /** What the server last reported about itself; undefined before its first report. */
  get info(): ServerInfo | undefined {
    return this.#info;
  }

  publish(frame: Frame): void {
    this.wire.write(commandOf(frame), frame.size);
  }

  subscribe(
    subject: string,
    deliver: (message: Message) => void,
    { queue = "", limit, arriving }: SubscriptionOptions = {},
  ): Subscription {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#receivers.set(id, { deliver, arriving });
    this.wire.write(`SUB ${subject} ${queue && `${queue} `}${id}\r\n`);
    let isWanted = true;
    const unsubscribe = () => {
      if (isWanted) this.wire.write(`UNSUB ${id}\r\n`);
      isWanted = false;
    };
    const forget = () => this.#receivers.delete(id);
    const limitTo = (messages: number) => this.wire.write(`UNSUB ${id} ${messages}\r\n`);
    if (limit !== undefined) limitTo(limit);
    return {
      close: () => {
        unsubscribe();
        forget();
      },
      drain: () => {
        unsubscribe();
        void this.ping().then(forget);
      },
      limit: limitTo,
    };
  }

  /** Delivers the first message on the subject; the returned function stops waiting for it. */
  expect(subject: string, deliver: (message: Message) => void): () => void {
    const { close } = this.subscribe(subject, (message) => {
      close();
      deliver(message);
    });
    return close;
  }

  /** Publishes an empty message with a subject for its answer. */
  request(subject: string, reply: string): void {
    this.wire.write(`PUB ${subject} ${reply} 0\r\n\r\n`);
  }

  /** Resolves once the server has processed everything sent so far, or the link has ended. */
  ping(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pongs.push(resolve);
    this.wire.write("PING\r\n");
    return promise;
  }

  /** Abandons the link; what was published is still sent. */
  drop(): void {
    this.wire.close();
    for (const pong of this.#pongs.splice(0)) pong();
  }

  /** What follows an error of the parser makes no sense. */
  #onBytes(bytes: Uint8Array): void {
    try {
      this.#parser.parse(bytes);
    } catch {
      this.#onEnd();
      return;
    }
    const { state, ma } = this.#parser;
    const isInLine = state !== State.OP_START && state !== State.MSG_PAYLOAD;
    this.#lineBytes = isInLine ? this.#lineBytes + bytes.length : 0;
    if (this.#lineBytes > MAX_LINE_BYTES) this.#onEnd();
    if (state === State.MSG_PAYLOAD) this.#receivers.get(ma.sid)?.arriving?.(ma.size);
  }

  #onEnd(): void {
    this.drop();
    this.events.ended();
  }

  #onEvent({ kind, msg, data = new Uint8Array() }: ParserEvent): void {
    if (kind === Kind.MSG && msg) this.#deliver(msg, data);
    else if (kind === Kind.PING) this.wire.write("PONG\r\n");
    else if (kind === Kind.PONG) this.#pongs.shift()?.();
    else if (kind === Kind.ERR) this.events.complained(decoder.decode(data));
    else if (kind === Kind.INFO) this.#onInfo(JSON.parse(decoder.decode(data)));
  }

  #deliver(head: MsgArg, body: Uint8Array): void {
    try {
      this.#receivers.get(head.sid)?.deliver(new Message(head, body));
    } catch (thrown) {
      warn("message not handled", { connection: this.introduction.name, ...errorDetail(thrown) });
    }
  }

  /** The first one asks for CONNECT; later ones report what has changed. */
  #onInfo(info: ServerInfo): void {
    const isFirst = this.#info === undefined;
    this.#info = info;
    if (!isFirst) return;
    const connect = {
      ...this.authenticator?.(info.nonce),
      ...this.introduction,
      protocol: 1,
      verbose: false,
      pedantic: false,
      headers: info.headers === true,
      no_responders: info.headers === true,
    };
    this.wire.write(`CONNECT ${JSON.stringify(connect)}\r\n`);
    void this.ping().then(() => {
      if (this.isOpen) this.#ready.resolve();
    });
  }
}
