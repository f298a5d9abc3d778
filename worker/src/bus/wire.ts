import { endOfTick } from "../tick.ts";
import { encoded, type Frame } from "./frames.ts";

/**
 * nats-server sends browsers messages of at most 4 KiB. To other clients it sends a large prompt as one WebSocket message,
 * which shows no progress until all of it has arrived.
 */
const USER_AGENT = "Mozilla/5.0 (compatible; orch-cf-agent)";

/**
 * The WebSocket of a connection, as far as nats-core uses one. It tracks whether bytes move, and publishes by itself: all
 * that is published in one tick of the event loop goes as one message, while nats-core would send one for each step of a
 * turn, and each delays the answer.
 */
export class Wire {
  binaryType = "arraybuffer";
  onopen = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  #received = 0;
  #sent = 0;
  #frames: Frame[] = [];
  /** Bytes of the frames. */
  #pending = 0;

  constructor(readonly socket: WebSocket) {
    socket.addEventListener("message", (event) => {
      this.#received += 1;
      this.onmessage?.(event);
    });
    socket.addEventListener("close", (event) => this.onclose?.(event));
    socket.addEventListener("error", (event) => this.onerror?.(event));
  }

  /** Throws when the server cannot be reached or does not speak WebSocket. */
  static async open(url: string, signal: AbortSignal): Promise<Wire> {
    const headers = { Upgrade: "websocket", "User-Agent": USER_AGENT };
    const response = await fetch(url.replace(/^ws/, "http"), { headers, signal });
    const socket = response.webSocket;
    if (socket === null) {
      await response.body?.cancel();
      throw new Error("no WebSocket");
    }
    // Received data counts as ArrayBuffer before the first message can arrive.
    socket.binaryType = "arraybuffer";
    const wire = new Wire(socket);
    socket.accept();
    return wire;
  }

  /** Bytes that wait to be sent. */
  get bufferedAmount(): number {
    return this.#pending + (this.socket.bufferedAmount ?? 0);
  }

  /** A number that grows with each received message and each sent byte. */
  get progress(): number {
    return this.#received + this.#sent - this.bufferedAmount;
  }

  /** Publishes at the end of the tick: after the subscriptions of the same tick. */
  publish(frame: Frame): void {
    if (this.#frames.length === 0) void endOfTick().then(() => this.flush());
    this.#frames.push(frame);
    this.#pending += frame.size;
  }

  /** Sends what was published so far. */
  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#pending = 0;
    this.send(encoded(frames));
  }

  send(data: ArrayBuffer | Uint8Array): void {
    // The socket may have been closed meanwhile.
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.#sent += data.byteLength;
    this.socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.flush();
    this.socket.close(code, reason);
  }
}
