import { abortCapability, isUsable, refuseForeignPages, requireBearer, requireCapability } from "./auth.ts";
import type { Env } from "./env.ts";
import { faultOf, unreachable, WorkerError } from "./errors.ts";
import { json, jsonBody, problem } from "./http.ts";
import { warn } from "./log.ts";
import type { Outcome } from "./outcome.ts";
import { registryOf } from "./registry.ts";
import { type Route, routeOf } from "./routes.ts";
import { settingsOf } from "./settings.ts";
import { stopAll } from "./stop_all.ts";
import { AGENT } from "./subjects.ts";
import { VERSION } from "./version.ts";

export { Registry } from "./registry.ts";
export { AgentSession } from "./session.ts";

let warned = false;

export default {
  async fetch(request, env): Promise<Response> {
    warnOfRoutes(env);
    const url = new URL(request.url);
    try {
      const route = routeOf(request.method, url);
      await authorize(request, url, route, env);
      return await answer(request, route, env);
    } catch (thrown) {
      const fault = faultOf(thrown);
      if (!(thrown instanceof WorkerError))
        warn("request failed", { method: request.method, code: fault.code });
      return problem(fault);
    }
  },
} satisfies ExportedHandler<Env>;

type Auth = "token" | "none" | "unusable";

function authOf(env: Env): Auth {
  const token = controlToken(env);
  if (!token) return "none";
  return isUsable(token) ? "token" : "unusable";
}

function warnOfRoutes(env: Env): void {
  const auth = authOf(env);
  if (warned || auth === "token") return;
  warned = true;
  if (auth === "none") warn("routes are open", { cure: "set the secret CONTROL_TOKEN" });
  else warn("routes are closed to everybody", { cause: UNUSABLE });
}

const UNUSABLE =
  "the Worker's secret CONTROL_TOKEN holds white space or characters outside ASCII, which no header carries; set another";

async function authorize(request: Request, url: URL, route: Route, env: Env): Promise<void> {
  if (route.to === "health") return;
  const token = controlToken(env);
  if (!token) return refuseForeignPages(request, url);
  if (!isUsable(token)) throw new WorkerError({ code: "internal", message: UNUSABLE });
  const header = request.headers.get("Authorization");
  if (header === null && route.to === "abort" && route.capability !== null) {
    return requireCapability(route.capability, token, route.session);
  }
  return requireBearer(header, token);
}

/** Secrets that were piped in end with a line feed, which no header can carry. */
function controlToken(env: Env): string | undefined {
  return env.CONTROL_TOKEN?.trim() || undefined;
}

async function answer(request: Request, route: Route, env: Env): Promise<Response> {
  switch (route.to) {
    case "health":
      return json(200, {
        ok: true,
        agent: AGENT,
        version: VERSION,
        auth: authOf(env),
      });
    case "start":
      return start(route.session, await jsonBody(request), env);
    case "look":
      return look(route.session, env);
    case "abort":
      return abort(route.session, env);
    case "abort-all":
      return abortAll(env);
    default:
      return unreachable(route);
  }
}

async function start(session: string, body: unknown, env: Env): Promise<Response> {
  const settings = settingsOf(body, session, env);
  const { created, view } = unwrapped(await env.SESSIONS.getByName(session).start(session, settings));
  return json(created ? 201 : 200, { ...view, abort: await abortPath(session, env) });
}

async function look(session: string, env: Env): Promise<Response> {
  const view = await env.SESSIONS.getByName(session).look();
  if (view !== null) return json(200, { session, ...view, abort: await abortPath(session, env) });
  throw new WorkerError({ code: "not_found", message: "no agent was started in this session" });
}

async function abort(session: string, env: Env): Promise<Response> {
  return json(200, { stopped: (await stop(session, env)) ? [session] : [] });
}

async function abortAll(env: Env): Promise<Response> {
  const { stopped, failed } = await stopAll(await registryOf(env).list(), (session) => stop(session, env));
  if (failed.length === 0) return json(200, { stopped });
  warn("abort failed", { sessions: failed.length });
  const message = "some sessions could not be stopped; abort again";
  return json(500, { error: "internal", message, stopped, failed });
}

async function stop(session: string, env: Env): Promise<boolean> {
  return unwrapped(await env.SESSIONS.getByName(session).stop(session, "it was aborted"));
}

async function abortPath(session: string, env: Env): Promise<string> {
  const path = `/control/abort/${encodeURIComponent(session)}`;
  const token = controlToken(env);
  return token ? `${path}?cap=${await abortCapability(token, session)}` : path;
}

function unwrapped<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new WorkerError(outcome.fault);
}
