import { codesOf, type Fault, WorkerError } from "./errors.ts";

/** Largest body of a start, in bytes: labels end up in one bus message. */
const LARGEST_BODY = 64 * 1024;

export function json(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json(body, { status, headers: { "Cache-Control": "no-store", ...headers } });
}

export function problem(fault: Fault): Response {
  const headers = fault.code === "method_not_allowed" ? { Allow: fault.allow } : challengeOf(fault);
  return json(codesOf(fault.code).http, { error: fault.code, message: fault.message }, headers);
}

function challengeOf(fault: Fault): Readonly<Record<string, string>> {
  return fault.code === "unauthorized" ? { "WWW-Authenticate": "Bearer" } : {};
}

/** The JSON value of a body, `{}` of a missing one. Throws WorkerError: 413, 415, 400. */
export async function jsonBody(request: Request): Promise<unknown> {
  const bytes = await bodyOf(request);
  if (bytes.length === 0) return {};
  const type = request.headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new WorkerError({ code: "unsupported_media_type", message: "send the body as application/json" });
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new WorkerError({ code: "bad_request", message: "the body is not valid JSON" });
  }
}

async function bodyOf(request: Request): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.length;
    if (size > LARGEST_BODY) {
      throw new WorkerError({ code: "too_large", message: `the body is larger than ${LARGEST_BODY} bytes` });
    }
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
