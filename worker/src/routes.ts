import { badRequest, WorkerError } from "./errors.ts";
import { prefersHtml } from "./http.ts";
import { type AgentQuery, queryOf } from "./listing.ts";
import { newTokenProblem, tokenProblem } from "./subjects.ts";

/** A request for one of the Worker's routes. */
export type Route =
  | { readonly to: "page" }
  | { readonly to: "health" }
  | { readonly to: "list"; readonly query: AgentQuery }
  | { readonly to: "start"; readonly session: string }
  | { readonly to: "status"; readonly session: string }
  | { readonly to: "abort"; readonly session: string; readonly capability: string | null }
  | { readonly to: "abort-all" };

type Handlers = Readonly<Record<string, () => Route>>;

const PAGE: Handlers = { GET: () => ({ to: "page" }), HEAD: () => ({ to: "page" }) };

/**
 * The route of a method and URL; `/` has one for those who accept HTML. Throws WorkerError: 404, 405 with the allowed
 * methods, 400 if the session or the query is invalid.
 */
export function routeOf(method: string, url: URL, accept: string | null = null): Route {
  const handlers = url.pathname === "/" && prefersHtml(accept) ? PAGE : handlersOf(url);
  if (handlers === undefined) {
    throw new WorkerError({
      code: "not_found",
      message:
        "no such route; the routes are /health, /agents, /agent/<session>, /control/abort and /control/abort/<session>",
    });
  }
  const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
  if (handler !== undefined) return handler();
  const allow = Object.keys(handlers).join(", ");
  throw new WorkerError({ code: "method_not_allowed", message: `use ${allow} here`, allow });
}

function handlersOf(url: URL): Handlers | undefined {
  const [first, second, third, ...more] = url.pathname.split("/").slice(1);
  if (more.length > 0) return undefined;
  if (first === "health" && second === undefined) {
    return { GET: () => ({ to: "health" }), HEAD: () => ({ to: "health" }) };
  }
  if (first === "agents" && second === undefined) {
    const list = (): Route => ({ to: "list", query: queryOf(url.searchParams) });
    return { GET: list, HEAD: list };
  }
  if (first === "agent" && second && third === undefined) {
    return {
      GET: () => ({ to: "status", session: sessionOf(second) }),
      POST: () => ({ to: "start", session: sessionOf(second, newTokenProblem) }),
    };
  }
  if (first !== "control" || second !== "abort" || third === "") return undefined;
  if (third === undefined) return { POST: () => ({ to: "abort-all" }) };
  const capability = url.searchParams.get("cap");
  return { POST: () => ({ to: "abort", session: sessionOf(third), capability }) };
}

function sessionOf(segment: string, problemOf = tokenProblem): string {
  const session = decoded(segment);
  const problem = session === undefined ? "is not percent-encoded UTF-8" : problemOf(session);
  if (session !== undefined && problem === undefined) return session;
  throw badRequest(`the session in the path ${problem}`);
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
