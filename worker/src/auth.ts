import { WorkerError } from "./errors.ts";
import { warn } from "./log.ts";
import type { Route } from "./routes.ts";
import type { Vars } from "./vars.ts";

const UNUSABLE =
  "the Worker's secret CONTROL_TOKEN contains white space or non-ASCII characters, which no header can carry; set another one";

/** How the routes are guarded: by a token, not at all, or by a token that nobody can send. */
export type AuthMode = "token" | "none" | "unusable";

const encoder = new TextEncoder();
let warned = false;

export function authModeOf(vars: Vars): AuthMode {
  const token = controlToken(vars);
  if (!token) return "none";
  return isUsable(token) ? "token" : "unusable";
}

/** Logs once per isolate if the routes are open, or closed to everybody. */
export function warnOfOpenRoutes(vars: Vars): void {
  const mode = authModeOf(vars);
  if (warned || mode === "token") return;
  warned = true;
  if (mode === "none") warn("routes are open", { cure: "set the secret CONTROL_TOKEN" });
  else warn("routes are closed to everybody", { cause: UNUSABLE });
}

/** Throws WorkerError unless the request may use the route: 401 without usable credentials, 403 with wrong ones. */
export async function authorize(request: Request, url: URL, route: Route, vars: Vars): Promise<void> {
  if (route.to === "health") return;
  const token = controlToken(vars);
  if (!token) return refuseForeignPages(request, url);
  if (!isUsable(token)) throw new WorkerError({ code: "internal", message: UNUSABLE });
  const header = request.headers.get("Authorization");
  if (header === null && route.to === "abort" && route.capability !== null) {
    return requireCapability(route.capability, token, route.session);
  }
  return requireBearer(header, token);
}

/** The path that aborts one session, with its capability if the routes have a token. */
export async function abortPath(session: string, vars: Vars): Promise<string> {
  const path = `/control/abort/${encodeURIComponent(session)}`;
  const token = controlToken(vars);
  return token ? `${path}?cap=${await abortCapability(token, session)}` : path;
}

/** A secret that was piped in ends with a line feed, which no header can carry. */
function controlToken(vars: Vars): string | undefined {
  return vars.CONTROL_TOKEN?.trim() || undefined;
}

/** Whether a header can carry the token: visible ASCII only. */
function isUsable(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

/**
 * Throws 403 for a request made by a web page of another origin. Without a token, any page open in a browser could
 * otherwise control the Workers that the browser can reach.
 */
function refuseForeignPages({ method, headers }: Request, { origin }: URL): void {
  if (method !== "POST") return;
  const from = headers.get("Origin") ?? origin;
  const site = headers.get("Sec-Fetch-Site") ?? "none";
  if (from === origin && (site === "none" || site === "same-origin")) return;
  throw new WorkerError({
    code: "forbidden",
    message:
      "web pages of other origins may not do this: the routes are open; set the secret CONTROL_TOKEN and send it as bearer token",
  });
}

async function requireBearer(header: string | null, token: string): Promise<void> {
  const given = header?.match(/^Bearer +([^\s]+) *$/i)?.[1];
  if (given === undefined) {
    throw new WorkerError({
      code: "unauthorized",
      message: "this Worker requires the header `Authorization: Bearer` with its CONTROL_TOKEN",
    });
  }
  if (await sameText(given, token)) return;
  throw new WorkerError({
    code: "forbidden",
    message: "the bearer token is not this Worker's CONTROL_TOKEN",
  });
}

async function requireCapability(given: string, token: string, session: string): Promise<void> {
  if (await sameText(given, await abortCapability(token, session))) return;
  throw new WorkerError({
    code: "forbidden",
    message: "the capability in cap is not valid for this session",
  });
}

/**
 * The capability to abort one session and nothing else, for callers that cannot send headers: a MAC under the control
 * token, in base64url. It is valid until the token changes.
 */
async function abortCapability(token: string, session: string): Promise<string> {
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

/** Compares in constant time: digests have the same length, whatever the texts. */
async function sameText(a: string, b: string): Promise<boolean> {
  const [x, y] = await Promise.all(
    [a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))),
  );
  return x !== undefined && y !== undefined && crypto.subtle.timingSafeEqual(x, y);
}
