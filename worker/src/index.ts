import { abortCapability, requireBearer, requireCapability } from "./auth.ts";
import type { Env } from "./env.ts";
import { faultOf, unreachable, WorkerError } from "./errors.ts";
import { json, jsonBody, problem } from "./http.ts";
import { warn } from "./log.ts";
import type { Outcome } from "./outcome.ts";
import { registryOf } from "./registry.ts";
import { type Route, routeOf } from "./routes.ts";
import { settingsOf } from "./settings.ts";
import { AGENT } from "./subjects.ts";
import { VERSION } from "./version.ts";

export { Registry } from "./registry.ts";
export { AgentSession } from "./session.ts";

/** Sessions that "abort all" stops at the same time. */
const AT_ONCE = 50;

let warned = false;

export default {
  async fetch(request, env): Promise<Response> {
    warnOfOpenRoutes(env);
    const url = new URL(request.url);
    try {
      const route = routeOf(request.method, url);
      await authorize(request, route, env);
      return await answer(request, route, env);
    } catch (thrown) {
      const fault = faultOf(thrown);
      if (!(thrown instanceof WorkerError))
        warn("request failed", { method: request.method, code: fault.code });
      return problem(fault);
    }
  },
} satisfies ExportedHandler<Env>;

function warnOfOpenRoutes(env: Env): void {
  if (warned || controlToken(env)) return;
  warned = true;
  warn("routes are open", { cure: "set the secret CONTROL_TOKEN" });
}

async function authorize(request: Request, route: Route, env: Env): Promise<void> {
  const token = controlToken(env);
  if (!token || route.to === "health") return;
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
        auth: controlToken(env) ? "token" : "none",
      });
    case "start":
      return start(route.session, await jsonBody(request), env);
    case "look":
      return look(route.session, env);
    case "abort":
      return json(200, { stopped: await stopAll([route.session], env) });
    case "abort-all":
      return json(200, { stopped: await stopAll(await registryOf(env).list(), env) });
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

/** Stops what runs of these sessions; resolves with those that did. */
async function stopAll(sessions: readonly string[], env: Env): Promise<string[]> {
  const stopped: string[] = [];
  for (let i = 0; i < sessions.length; i += AT_ONCE) {
    const some = sessions.slice(i, i + AT_ONCE);
    const outcomes = await Promise.all(some.map((session) => stop(session, env)));
    stopped.push(...some.filter((_, index) => outcomes[index]));
  }
  return stopped;
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
