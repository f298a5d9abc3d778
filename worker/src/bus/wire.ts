/**
 * nats-server sends browsers messages of at most 4 KiB. To other clients it sends a large prompt as one WebSocket message,
 * which shows no progress until all of it has arrived.
 */
const USER_AGENT = "Mozilla/5.0 (compatible; orch-cf-agent)";

/** Bytes that are collected before they are sent at once. */
const MAX_PENDING_BYTES = 64 * 1024;

/**
 * The WebSocket of a connection, which tracks whether anything arrives. Everything written in one tick of the event loop is sent
 * as one message: nats-core would send one for each step of a turn, and each delays the answer.
 */
export class Wire {
  #received = 0;
  #unanswered = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  private constructor(readonly socket: WebSocket) {
    socket.addEventListener("message", () => {
      this.#received += 1;
      this.#unanswered = 0;
    });
    const send = socket.send.bind(socket);
    const close = socket.close.bind(socket);
    socket.send = (data) => this.#collect(bytesOf(data), send);
    socket.close = (code, reason) => {
      this.#flush(send);
      close(code, reason);
    };
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
  get backlog(): number {
    return this.#pendingBytes + (this.socket.bufferedAmount ?? 0);
  }

  /** How many messages have arrived. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that were sent since a message last arrived. */
  get unanswered(): number {
    return this.#unanswered;
  }

  #collect(data: Uint8Array, send: WebSocket["send"]): void {
    if (this.#pending.length === 0) setTimeout(() => this.#flush(send), 0);
    this.#unanswered += data.length;
    this.#pending.push(data);
    this.#pendingBytes += data.length;
    if (this.#pendingBytes > MAX_PENDING_BYTES) this.#flush(send);
  }

  #flush(send: WebSocket["send"]): void {
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    // The socket may have been closed meanwhile.
    if (pending.length > 0 && this.socket.readyState === WebSocket.OPEN) send(joined(pending));
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView | string): Uint8Array {
  if (typeof data === "string") return new TextEncoder().encode(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first, second] = parts;
  if (first && !second) return first;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
