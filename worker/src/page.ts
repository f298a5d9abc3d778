import script from "../dist/page/script.txt";
import style from "../dist/page/style.txt";
import html from "../page/page.html";
import { isLoopback, shownAuthMode } from "./auth.ts";
import type { Vars } from "./vars.ts";
import { VERSION } from "./version.ts";

const NO_SCRIPT = "Turn on JavaScript to see the agents here.";
const NO_TOKEN =
  "Browsers get nothing more than this text, because this Worker has no token: set its secret CONTROL_TOKEN, then open this page again.";

const encoder = new TextEncoder();

/**
 * The page at `/`. It contains no data: its script fetches the agents, with the token that it asks for. Without a token,
 * browsers get the script on a loopback host only, as on all other routes.
 */
export async function page(request: Request, url: URL, vars: Vars): Promise<Response> {
  const auth = await shownAuthMode(request, vars);
  const isOpen = auth !== "none" || isLoopback(url.hostname);
  const parts: Readonly<Record<string, string>> = {
    version: VERSION,
    auth,
    note: isOpen ? NO_SCRIPT : NO_TOKEN,
    style: `<style>${style}</style>`,
    script: isOpen ? `<script>${script}</script>` : "",
  };
  const body = html.replace(/<!--(\w+)-->/g, (_, name: string) => parts[name] ?? "");
  return new Response(body, { status: isOpen ? 200 : 403, headers: await headers() });
}

/** A page that runs its own script and styles only, talks to this Worker only, and is kept nowhere. */
async function headers(): Promise<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `script-src ${await hashOf(script)}`,
    `style-src ${await hashOf(style)}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": policy.join("; "),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    Vary: "Accept",
  };
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;
}
