import { WorkerError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { Link } from "./link.ts";
import { type BusOptions, CONNECT_TIMEOUT_MS } from "./options.ts";
import { Stranger, Wire } from "./wire.ts";

export const REFUSED =
  "the bus refused the Worker's credentials; check NATS_WS_URL, NATS_CREDS, NATS_NKEY_SEED and NATS_TOKEN";
const FULL =
  "the bus accepts no more connections; raise max_connections of the server or the connection limit of the account, or stop agents";
const CUT_OFF =
  "the bus closed the connection during the handshake: it refused the credentials (NATS_WS_URL, NATS_CREDS, NATS_NKEY_SEED, NATS_TOKEN), accepts no more connections, or is shutting down";
const TIMED_OUT = `the bus at NATS_WS_URL did not answer within ${CONNECT_TIMEOUT_MS / 1000} s; check the address and that it is a NATS WebSocket port`;
const UNREACHABLE =
  "the bus at NATS_WS_URL cannot be reached; check that it runs and that its WebSocket port is open";

const NO_BUS =
  "what answers at NATS_WS_URL does not greet as a NATS server does; check that the address is its WebSocket port";

/** How many bytes a server may send before it has accepted the credentials. */
const MAX_GREETING_BYTES = 256 * 1024;

/** The server refused the connection; the message is its own. */
class Refusal extends Error {}

/** The server closed the connection after it had sent something. Its refusal may be lost when it closes at once. */
class CutOff extends Error {}

/**
 * Connects to the bus within `CONNECT_TIMEOUT_MS`. Throws WorkerError `bus_unavailable` with the cause in our own words:
 * other texts may quote the URL.
 */
export async function connect(options: BusOptions, name: string): Promise<Link> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), CONNECT_TIMEOUT_MS);
  try {
    return await handshake(await Wire.open(options.url, late.signal), options, name, late.signal);
  } catch (thrown) {
    const message = late.signal.aborted ? TIMED_OUT : causeOf(thrown);
    throw new WorkerError({ code: "bus_unavailable", message });
  } finally {
    clearTimeout(timer);
  }
}

async function handshake(wire: Wire, options: BusOptions, name: string, signal: AbortSignal): Promise<Link> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  wire.maxBytes = MAX_GREETING_BYTES;
  const link = new Link(wire, { name, lang: "orch-cf-agent", version: VERSION }, options.authenticator, {
    complained: (text) => reject(new Refusal(text)),
    ended: () => reject(link.info ? new CutOff() : new Stranger()),
  });
  try {
    await Promise.race([link.ready, failed]);
    wire.maxBytes = Number.POSITIVE_INFINITY;
    return link;
  } catch (thrown) {
    link.drop();
    throw thrown;
  }
}

function causeOf(thrown: unknown): string {
  if (thrown instanceof CutOff) return CUT_OFF;
  if (thrown instanceof Stranger) return NO_BUS;
  if (!(thrown instanceof Refusal)) return UNREACHABLE;
  if (/connections exceeded/i.test(thrown.message)) return FULL;
  return /authori[sz]ation|authentication/i.test(thrown.message) ? REFUSED : CUT_OFF;
}
