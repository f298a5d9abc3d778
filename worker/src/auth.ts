import { WorkerError } from "./errors.ts";
import { warn } from "./log.ts";
import type { Route } from "./routes.ts";
import { base64url } from "./text.ts";
import type { Vars } from "./vars.ts";

const UNUSABLE =
  "the Worker's secret CONTROL_TOKEN is empty, or contains white space or non-ASCII characters, which cannot be sent in a header; set another one";

/** A shorter token could be guessed by anyone with a capability, which is a MAC under the token. */
const MIN_TOKEN_CHARS = 32;
const WEAK = `the Worker's secret CONTROL_TOKEN is weak: it has fewer than ${MIN_TOKEN_CHARS} characters, so readers of a handle could guess it; set a longer one`;

/** How the routes are protected: by a token, by a short one, by one that cannot be sent, or not at all. */
export type AuthMode = "token" | "weak" | "unusable" | "none";

const encoder = new TextEncoder();
let warned = false;

function authModeOf(vars: Vars): AuthMode {
  const token = controlToken(vars);
  if (token === undefined) return "none";
  if (!isUsable(token)) return "unusable";
  return token.length < MIN_TOKEN_CHARS ? "weak" : "token";
}

/** The mode that the health route reports. Only holders of the token are shown that it is weak. */
export async function shownAuthMode({ headers }: Request, vars: Vars): Promise<AuthMode> {
  const mode = authModeOf(vars);
  if (mode !== "weak") return mode;
  const given = bearerOf(headers.get("Authorization"));
  return given !== undefined && (await sameText(given, controlToken(vars) ?? "")) ? "weak" : "token";
}

/** A field for the responses of routes that require the token. */
export function tokenWarning(vars: Vars): { readonly warning?: string } {
  return authModeOf(vars) === "weak" ? { warning: WEAK } : {};
}

/** Logs once per isolate if the routes are open, closed to everyone, or protected by a weak token. */
export function warnOfAuthMode(vars: Vars): void {
  const mode = authModeOf(vars);
  if (warned || mode === "token") return;
  warned = true;
  if (mode === "none") warn("routes are open", { cure: "set the secret CONTROL_TOKEN" });
  else if (mode === "weak") warn("the token is weak", { cause: WEAK });
  else warn("routes are closed to everyone", { cause: UNUSABLE });
}

/** Throws WorkerError unless the request may use the route: 401 without usable credentials, 403 with wrong ones. */
export async function authorize(request: Request, url: URL, route: Route, vars: Vars): Promise<void> {
  const token = controlToken(vars);
  if (route.to === "page") return;
  if (token === undefined) return refuseBrowsers(request, url);
  if (route.to === "health") return;
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

/**
 * Trimmed, because a secret that was piped in ends with a line feed, which cannot be sent in a header. An empty secret was
 * still set, so it must not open the routes.
 */
function controlToken(vars: Vars): string | undefined {
  return vars.CONTROL_TOKEN?.trim();
}

/** Whether the token can be sent in a header: visible ASCII only. */
function isUsable(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

/**
 * Throws 403 for a request from a browser, unless its page has the same origin on a loopback host. Without a token, any
 * page open in a browser could otherwise control the Workers that the browser can reach. Any other host name proves
 * nothing, since its owner can make it resolve to this Worker (DNS rebinding).
 */
function refuseBrowsers({ headers }: Request, { origin, hostname }: URL): void {
  if (!isFromBrowser(headers)) return;
  const from = headers.get("Origin") ?? origin;
  const site = headers.get("Sec-Fetch-Site") ?? "none";
  if (isLoopback(hostname) && from === origin && (site === "none" || site === "same-origin")) return;
  throw new WorkerError({
    code: "forbidden",
    message:
      "browsers and web pages may not do this: the routes are open; set the secret CONTROL_TOKEN and send it as bearer token",
  });
}

/** Headers that browsers add, most of which a page cannot change. Programs send none of them by default. */
const BROWSER_HEADERS = [
  "Origin",
  "Referer",
  "Sec-Fetch-Site",
  "Sec-Fetch-Dest",
  "Sec-Purpose",
  "Sec-CH-UA",
  "Sec-GPC",
  "DNT",
  "Priority",
  "Upgrade-Insecure-Requests",
];

/** Over plain http, a page's GET of its own origin may have none of the headers above, so two more are looked at. */
function isFromBrowser(headers: Headers): boolean {
  const isNamed = BROWSER_HEADERS.some((name) => headers.has(name));
  const language = headers.get("Accept-Language") ?? "*";
  return isNamed || language !== "*" || /mozilla\//i.test(headers.get("User-Agent") ?? "");
}

/** Whether a host is this machine under a name or address that nobody else can make resolve to it. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/\.$/, "");
  return /^127\.\d+\.\d+\.\d+$/.test(host) || host === "[::1]" || /(^|\.)localhost$/.test(host);
}

function bearerOf(header: string | null): string | undefined {
  return header?.match(/^Bearer +([^\s]+) *$/i)?.[1];
}

async function requireBearer(header: string | null, token: string): Promise<void> {
  const given = bearerOf(header);
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
  return base64url(new Uint8Array(mac));
}

/** Compares in constant time: digests have the same length for all texts. */
async function sameText(a: string, b: string): Promise<boolean> {
  const [x, y] = await Promise.all(
    [a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))),
  );
  return x !== undefined && y !== undefined && crypto.subtle.timingSafeEqual(x, y);
}
