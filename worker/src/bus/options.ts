import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/nats-core";
import { WorkerError } from "../errors.ts";
import type { Vars } from "../vars.ts";

/** Timeout of one attempt to reach the bus, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 5_000;

export interface BusOptions {
  /** Without credentials. */
  readonly url: string;
  readonly authenticator: Authenticator | undefined;
}

/** The options of a connection. Throws WorkerError `bus_unavailable` naming the secret that is missing or malformed. */
export function busOptions(vars: Vars): BusOptions {
  const url = busUrl(vars.NATS_WS_URL);
  return {
    url: `${url.protocol}//${url.host}${url.pathname}${url.search}`,
    authenticator: authenticatorOf(vars, url),
  };
}

function busUrl(text: string | undefined): URL {
  if (!text)
    throw unavailable("the Worker has no secret NATS_WS_URL; set it to the bus's ws:// or wss:// URL");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "ws:" || url?.protocol === "wss:") return url;
  throw unavailable("the Worker's secret NATS_WS_URL is not a ws:// or wss:// URL");
}

/** Separate secrets take precedence over credentials in the URL. */
function authenticatorOf(vars: Vars, url: URL): Authenticator | undefined {
  if (vars.NATS_CREDS) return checked("NATS_CREDS", credsAuthenticator(bytesOf(vars.NATS_CREDS)));
  if (vars.NATS_NKEY_SEED) {
    return checked("NATS_NKEY_SEED", nkeyAuthenticator(bytesOf(vars.NATS_NKEY_SEED.trim())));
  }
  if (vars.NATS_TOKEN) return tokenAuthenticator(vars.NATS_TOKEN.trim());
  if (url.password)
    return usernamePasswordAuthenticator(percentDecoded(url.username), percentDecoded(url.password));
  if (url.username) return tokenAuthenticator(percentDecoded(url.username));
  return undefined;
}

/** Signs once, because a malformed secret would otherwise look like a bus that does not answer. */
function checked(name: string, authenticator: Authenticator): Authenticator {
  try {
    authenticator("nonce");
    return authenticator;
  } catch {
    throw unavailable(`the Worker's secret ${name} cannot be read; set it again`);
  }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function percentDecoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function unavailable(message: string): WorkerError {
  return new WorkerError({ code: "bus_unavailable", message });
}
