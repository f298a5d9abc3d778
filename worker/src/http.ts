import { badRequest, CODES, type Fault, WorkerError } from "./errors.ts";
import { utf8 } from "./text.ts";

/** Largest body of a start: labels must fit into one bus message. */
const MAX_BODY_BYTES = 64 * 1024;

export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(body, { status, headers: { "Cache-Control": "no-store", ...headers } });
}

export function errorResponse({ code, message, allow }: Fault): Response {
  return json(
    CODES[code].http,
    { error: code, message },
    {
      ...(allow && { Allow: allow }),
      ...(code === "unauthorized" && { "WWW-Authenticate": "Bearer" }),
    },
  );
}

/** The JSON value of a body, `{}` for an empty one. Throws WorkerError: 413, 415, 400. */
export async function readJson(request: Request): Promise<unknown> {
  const bytes = await readBody(request);
  if (bytes.length === 0) return {};
  const type = request.headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new WorkerError({ code: "unsupported_media_type", message: "send the body as application/json" });
  }
  try {
    return JSON.parse(utf8(bytes));
  } catch {
    throw badRequest("the body is not valid JSON");
  }
}

async function readBody(request: Request): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.length;
    if (size > MAX_BODY_BYTES) {
      throw new WorkerError({
        code: "too_large",
        message: `the body is larger than ${MAX_BODY_BYTES} bytes`,
      });
    }
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Whether `Accept` names HTML and does not prefer JSON, as when a browser opens an address; a bare wildcard does not. */
export function prefersHtml(accept: string | null): boolean {
  const html = qualityOf("text/html", accept ?? "");
  return html > 0 && html >= qualityOf("application/json", accept ?? "");
}

/** The weight of a media type that `Accept` names; 0 for one that it does not name. */
function qualityOf(type: string, accept: string): number {
  const ranges = accept.split(",").map((range) => range.split(";").map((part) => part.trim().toLowerCase()));
  const parameters = ranges.find(([name]) => name === type);
  if (parameters === undefined) return 0;
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  return weight === undefined ? 1 : Number(weight.slice(2));
}
