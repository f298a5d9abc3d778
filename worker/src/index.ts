import { abortPath, authorize, shownAuthMode, tokenWarning, warnOfAuthMode } from "./auth.ts";
import { type Env, registryOf, sessionOf } from "./env.ts";
import { faultOf, unreachable, WorkerError } from "./errors.ts";
import { errorResponse, json, readJson } from "./http.ts";
import { errorDetail, warn } from "./log.ts";
import { unwrap } from "./outcome.ts";
import { page } from "./page.ts";
import { type Route, routeOf } from "./routes.ts";
import { settingsOf } from "./settings.ts";
import { stopAll } from "./stop_all.ts";
import { AGENT } from "./subjects.ts";
import { VERSION } from "./version.ts";

export { Hub } from "./hub.ts";
export { Registry } from "./registry.ts";
export { AgentSession } from "./session.ts";

/** How often one run of the cron trigger calls the Registry: calls are limited, to 50 on the free plan. */
const WAKE_CALLS = 40;

export default {
  async fetch(request, env): Promise<Response> {
    warnOfAuthMode(env);
    const url = new URL(request.url);
    try {
      const route = routeOf(request.method, url, request.headers.get("Accept"));
      await authorize(request, url, route, env);
      return await answer(request, url, route, env);
    } catch (thrown) {
      const fault = faultOf(thrown);
      if (!(thrown instanceof WorkerError)) {
        warn("request failed", { method: request.method, ...errorDetail(thrown) });
      }
      const response = errorResponse(fault);
      if (url.pathname === "/") response.headers.set("Vary", "Accept");
      return response;
    }
  },

  /** Wakes silent agents: one whose alarm was lost would otherwise stay off the bus until it is called. */
  async scheduled(_event, env): Promise<void> {
    let left = 1;
    for (let calls = 0; left > 0 && calls < WAKE_CALLS; calls += 1) left = await registryOf(env).wake();
  },
} satisfies ExportedHandler<Env>;

async function answer(request: Request, url: URL, route: Route, env: Env): Promise<Response> {
  switch (route.to) {
    case "page":
      return page(request, url, env);
    case "health":
      return json(200, { ok: true, agent: AGENT, version: VERSION, auth: await shownAuthMode(request, env) });
    case "list":
      return json(200, await registryOf(env).agents(route.query));
    case "start":
      return start(route.session, await readJson(request), env);
    case "status":
      return status(route.session, env);
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
  const { created, view } = unwrap(await sessionOf(env, session).start(session, settings));
  return json(created ? 201 : 200, { ...view, abort: await abortPath(session, env), ...tokenWarning(env) });
}

async function status(session: string, env: Env): Promise<Response> {
  const view = await sessionOf(env, session).look();
  if (view !== null) {
    return json(200, { session, ...view, abort: await abortPath(session, env), ...tokenWarning(env) });
  }
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
  return unwrap(await sessionOf(env, session).stop(session, "it was aborted"));
}
