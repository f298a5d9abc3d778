import { endOfTick } from "../tick.ts";

/**
 * nats-server sends browsers messages of at most 4 KiB. To other clients it sends a large prompt as one WebSocket message,
 * which shows no sign of life until all of it has arrived.
 */
const USER_AGENT = "Mozilla/5.0 (compatible; orch-cf-agent)";

/** Largest WebSocket message in bytes. */
const MAX_MESSAGE_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** What answered is no NATS server. */
export class Stranger extends Error {}

export interface WireEvents {
  received(bytes: Uint8Array): void;
  /** Called once, when the other side or the network ends the connection. */
  ended(): void;
}

/**
 * A WebSocket that tracks whether anything arrives. All that is written in one tick of the event loop goes as one message: each
 * further one would delay answers.
 */
export class Wire {
  /** How many bytes may arrive; at more of them, the connection ends. */
  maxBytes = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #received = 0;
  #unanswered = 0;
  #pending = "";
  /** Bytes of the pending text. */
  #pendingBytes = 0;
  #isOpen = true;

  private constructor(private readonly socket: WebSocket) {}

  /** Throws when the server cannot be reached, and Stranger when it does not speak WebSocket. */
  static async open(url: string, signal: AbortSignal): Promise<Wire> {
    const headers = { Upgrade: "websocket", "User-Agent": USER_AGENT };
    const response = await fetch(url.replace(/^ws/, "http"), { headers, signal });
    const socket = response.webSocket;
    if (socket !== null) return new Wire(socket);
    await response.body?.cancel();
    throw new Stranger();
  }

  /** Starts to receive. */
  start({ received, ended }: WireEvents): void {
    const { socket } = this;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      this.#received += 1;
      this.#unanswered = 0;
      const bytes = new Uint8Array(data as ArrayBuffer);
      this.#bytes += bytes.length;
      if (this.#bytes > this.maxBytes) onEnd();
      if (this.#isOpen) received(bytes);
    });
    const onEnd = () => {
      if (!this.#isOpen) return;
      this.close();
      ended();
    };
    socket.addEventListener("close", onEnd);
    socket.addEventListener("error", onEnd);
    socket.accept();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Bytes that wait to be sent. */
  get backlog(): number {
    return this.#pendingBytes + (this.socket.bufferedAmount ?? 0);
  }

  /** How many messages have arrived. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that were written since a message last arrived. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Sends text of so many bytes at the end of the tick; does nothing once closed. */
  write(text: string, bytes = text.length): void {
    if (!this.#isOpen) return;
    if (this.#pending === "") void endOfTick().then(() => this.#flush());
    this.#pending += text;
    this.#pendingBytes += bytes;
    this.#unanswered += bytes;
  }

  /** Sends what was written and closes, without waiting for the close handshake, which may never come. */
  close(): void {
    if (!this.#isOpen) return;
    this.#flush();
    this.#isOpen = false;
    this.socket.close();
  }

  #flush(): void {
    if (this.#pending === "" || !this.#isOpen) return;
    const bytes = encoder.encode(this.#pending);
    this.#pending = "";
    this.#pendingBytes = 0;
    if (this.socket.readyState !== WebSocket.OPEN) return;
    for (let start = 0; start < bytes.length; start += MAX_MESSAGE_BYTES) {
      this.socket.send(bytes.subarray(start, start + MAX_MESSAGE_BYTES));
    }
  }
}
