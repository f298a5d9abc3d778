import { errors, type NatsConnection, type WsConnectionOptions, wsconnect } from "@nats-io/nats-core";
import { WorkerError } from "../errors.ts";

const REFUSED =
  "the bus refused the Worker's credentials; check NATS_WS_URL, NATS_CREDS, NATS_NKEY_SEED and NATS_TOKEN";
const LATE =
  "the bus at NATS_WS_URL did not answer within 5 s; check the address and that it is a NATS WebSocket port";
const UNREACHABLE =
  "the bus at NATS_WS_URL cannot be reached; check that it runs and that its WebSocket port is open";

/** Connects to the bus. Throws WorkerError `bus_unavailable` with the cause in words of our own: theirs may quote the URL. */
export async function connect(access: WsConnectionOptions, name: string): Promise<NatsConnection> {
  const { promise: refused, reject } = Promise.withResolvers<never>();
  refused.catch(() => undefined);
  const connecting = wsconnect({ ...access, name, wsFactory: async (url) => listenedTo(url, reject) });
  try {
    return await Promise.race([connecting, refused]);
  } catch (thrown) {
    connecting.then(discard, () => undefined);
    throw new WorkerError({ code: "bus_unavailable", message: causeOf(thrown) });
  }
}

/** Lets go of a connection without waiting for its close handshake, which may never come. */
export function discard(connection: NatsConnection): void {
  connection.close().catch(() => undefined);
}

/**
 * A socket whose refusal is not missed: the server sends its error and closes at once. nats-core then stops reading,
 * often before it has read the error, and would wait until its timeout.
 */
function listenedTo(url: string, refuse: (error: Error) => void): { socket: WebSocket; encrypted: boolean } {
  const socket = new WebSocket(url);
  let greeted = false;
  socket.addEventListener("message", () => {
    greeted = true;
  });
  socket.addEventListener("close", () => {
    refuse(greeted ? new errors.AuthorizationError("") : new errors.ConnectionError(""));
  });
  return { socket, encrypted: url.startsWith("wss:") };
}

function causeOf(thrown: unknown): string {
  if (
    thrown instanceof errors.AuthorizationError ||
    thrown instanceof errors.UserAuthenticationExpiredError
  ) {
    return REFUSED;
  }
  return thrown instanceof errors.TimeoutError ? LATE : UNREACHABLE;
}
