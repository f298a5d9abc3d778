import { WorkerError } from "./errors.ts";

const encoder = new TextEncoder();

/** A token that a header can carry: neither white space nor anything outside ASCII. */
export function isUsable(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

/**
 * Throws 403 for a request that a web page of another origin makes. Without a token nothing else would keep any page that
 * is open in a browser from driving the Workers that the browser reaches.
 */
export function refuseForeignPages({ method, headers }: Request, { origin }: URL): void {
  if (method !== "POST") return;
  const from = headers.get("Origin") ?? origin;
  const site = headers.get("Sec-Fetch-Site") ?? "none";
  if (from === origin && (site === "none" || site === "same-origin")) return;
  throw new WorkerError({
    code: "forbidden",
    message:
      "a web page of another origin may not do this: the routes are open; set the secret CONTROL_TOKEN, and send it as bearer",
  });
}

/** Throws unless the request carries the control token as bearer: 401 without usable credentials, 403 with wrong ones. */
export async function requireBearer(header: string | null, token: string): Promise<void> {
  const given = header?.match(/^Bearer +([^\s]+) *$/i)?.[1];
  if (given === undefined) {
    throw new WorkerError({
      code: "unauthorized",
      message: "this Worker wants the header Authorization: Bearer with its CONTROL_TOKEN",
    });
  }
  if (await sameText(given, token)) return;
  throw new WorkerError({
    code: "forbidden",
    message: "the bearer token is not this Worker's CONTROL_TOKEN",
  });
}

/**
 * The capability to abort one session and nothing else: a MAC under the control token, for callers that post without
 * headers. It holds until the token changes.
 */
export async function abortCapability(token: string, session: string): Promise<string> {
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(token),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const mac = await crypto.subtle.sign("HMAC", key, encoder.encode(`abort\n${session}`));
  return btoa(String.fromCharCode(...new Uint8Array(mac)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** Throws 403 unless the capability is the one of this session. */
export async function requireCapability(given: string, token: string, session: string): Promise<void> {
  if (await sameText(given, await abortCapability(token, session))) return;
  throw new WorkerError({ code: "forbidden", message: "the capability in cap is not good for this session" });
}

/** Compares in a time that depends on neither text: digests have one length. */
async function sameText(a: string, b: string): Promise<boolean> {
  const [x, y] = await Promise.all(
    [a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))),
  );
  return x !== undefined && y !== undefined && crypto.subtle.timingSafeEqual(x, y);
}
