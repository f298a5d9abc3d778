import { errors, type NatsConnection, type WsConnectionOptions, wsconnect } from "@nats-io/nats-core";
import { WorkerError } from "../errors.ts";
import { CONNECT_TIMEOUT_MS } from "./options.ts";
import { Wire } from "./wire.ts";

const REFUSED =
  "the bus refused the Worker's credentials; check NATS_WS_URL, NATS_CREDS, NATS_NKEY_SEED and NATS_TOKEN";
const FULL =
  "the bus accepts no more connections; raise max_connections of the server or the connection limit of the account, or stop agents";
const CUT_OFF =
  "the bus closed the connection during the handshake: it refused the credentials (NATS_WS_URL, NATS_CREDS, NATS_NKEY_SEED, NATS_TOKEN), accepts no more connections, or is shutting down";
const TIMED_OUT = `the bus at NATS_WS_URL did not answer within ${CONNECT_TIMEOUT_MS / 1000} s; check the address and that it is a NATS WebSocket port`;
const UNREACHABLE =
  "the bus at NATS_WS_URL cannot be reached; check that it runs and that its WebSocket port is open";

/** The first byte of `-ERR`, with which the server announces why it is about to close. */
const MINUS = 0x2d;

/** The server closed the connection after it had sent something. */
class CutOff extends Error {}

export interface Connected {
  readonly nats: NatsConnection;
  readonly wire: Wire;
}

/**
 * Connects to the bus within `CONNECT_TIMEOUT_MS`. Throws WorkerError `bus_unavailable` with the cause in our own words:
 * the text of nats-core may quote the URL.
 */
export async function connect(options: WsConnectionOptions, name: string): Promise<Connected> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const late = new AbortController();
  // After its own timeout, nats-core waits for a close handshake, which a silent server never sends.
  const timer = setTimeout(() => {
    reject(new errors.TimeoutError());
    late.abort();
  }, CONNECT_TIMEOUT_MS);
  const wire = Promise.withResolvers<Wire>();
  let unwatch = () => {};
  const wsFactory = async (url: string) => {
    const opened = await Wire.open(url, late.signal).catch((thrown: unknown) => {
      // nats-core would wait for the end of a connection that was never established.
      reject(new errors.ConnectionError(""));
      throw thrown;
    });
    wire.resolve(opened);
    unwatch = watchRefusal(opened.socket, reject);
    return { socket: opened as unknown as WebSocket, encrypted: url.startsWith("wss:") };
  };
  const connecting = wsconnect({ ...options, name, wsFactory });
  try {
    const nats = await Promise.race([connecting, failed]);
    return { nats, wire: await wire.promise };
  } catch (thrown) {
    connecting.then(discard, () => undefined);
    throw new WorkerError({ code: "bus_unavailable", message: causeOf(thrown) });
  } finally {
    clearTimeout(timer);
    unwatch();
  }
}

/** Closes a connection without waiting for the close handshake, which may never come. */
export function discard(nats: NatsConnection): void {
  nats.close().catch(() => undefined);
}

/**
 * A refusal is noticed here: the server sends its error and closes at once, and nats-core often stops reading before it
 * has seen the error, and would then wait for its timeout. Returns a function that ends this: looking at each message
 * would delay answers.
 */
function watchRefusal(
  socket: Pick<WebSocket, "addEventListener" | "removeEventListener">,
  refuse: (error: Error) => void,
): () => void {
  let greeted = false;
  const onMessage = ({ data }: MessageEvent) => {
    greeted = true;
    const text = refusalIn(data);
    if (text !== undefined) refuse(new errors.ProtocolError(text));
  };
  socket.addEventListener("message", onMessage);
  // The error may be lost if the server closes at once.
  socket.addEventListener("close", ({ reason }) => {
    refuse(greeted ? new CutOff(reason) : new errors.ConnectionError(""));
  });
  return () => socket.removeEventListener("message", onMessage);
}

/** The server's `-ERR`, which is always a separate message; undefined for anything else. */
function refusalIn(data: unknown): string | undefined {
  if (!(data instanceof ArrayBuffer) || new Uint8Array(data)[0] !== MINUS) return undefined;
  return new TextDecoder().decode(data);
}

function causeOf(thrown: unknown): string {
  if (thrown instanceof errors.TimeoutError) return TIMED_OUT;
  const text = thrown instanceof Error ? thrown.message : "";
  if (/connections exceeded/i.test(text)) return FULL;
  if (/authori[sz]ation|authentication/i.test(text)) return REFUSED;
  return thrown instanceof CutOff ? CUT_OFF : UNREACHABLE;
}
