/**
 * nats-server sends browsers messages of at most 4 KiB. Without that, a large prompt is one WebSocket message, and
 * nothing of it shows until all of it has arrived.
 */
const USER_AGENT = "Mozilla/5.0 (compatible; orch-cf-agent)";

/** The WebSocket below a connection, which knows whether bytes move. */
export class Wire {
  #received = 0;
  #sent = 0;

  private constructor(readonly socket: WebSocket) {
    socket.addEventListener("message", () => {
      this.#received += 1;
    });
    const send = socket.send.bind(socket);
    socket.send = (data: ArrayBuffer | ArrayBufferView | string) => {
      this.#sent += typeof data === "string" ? data.length : data.byteLength;
      send(data);
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
    return this.socket.bufferedAmount ?? 0;
  }

  /** A number that grows with each message received and each byte that has left; it rests when nothing moves. */
  get progress(): number {
    return this.#received + this.#sent - this.backlog;
  }
}
