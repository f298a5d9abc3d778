import { badRequest, WorkerError } from "./errors.ts";
import { newTokenProblem } from "./subjects.ts";
import { beginning } from "./text.ts";
import type { Vars } from "./vars.ts";

const HARNESSES = ["claude-code", "codex", "pi", "gemini", "echo"] as const;
export type Harness = (typeof HARNESSES)[number];

type StringMap = Readonly<Record<string, string>>;

/** What a start asks for. A second start with the same settings finds the running agent. */
export interface Settings {
  readonly name: string;
  readonly agent: Harness;
  readonly owner: string;
  readonly labels: StringMap;
  readonly env: StringMap;
  readonly description: string;
}

const FIELDS: ReadonlySet<string> = new Set(["name", "agent", "owner", "labels", "env", "description"]);

/** The variables that a session may set for itself. */
const ENV_KEYS: ReadonlySet<string> = new Set([
  "OPEN_AGENT_PROVIDER",
  "OPEN_AGENT_MODEL_ID",
  "OPEN_AGENT_OWNER",
]);

/** The settings in the body of a start. Throws WorkerError: 400 with the field at fault. */
export function settingsOf(body: unknown, session: string, vars: Vars): Settings {
  if (!isObject(body)) throw badRequest("the body is not a JSON object");
  const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) {
    throw badRequest(
      `the body has an unknown field ${quoted(unknown)}; the fields are ${[...FIELDS].join(", ")}`,
    );
  }
  const name = stringOf(body, "name") ?? session;
  const agent = harnessOf(stringOf(body, "agent") ?? "echo");
  const env = envOf(body);
  const { OPEN_AGENT_OWNER: envOwner } = env;
  return {
    name,
    agent,
    owner: ownerOf(stringOf(body, "owner") ?? envOwner, vars),
    labels: stringMapOf(body, "labels"),
    env,
    description: stringOf(body, "description") ?? `${name}: an open-agent at the edge (${agent})`,
  };
}

/** Whether two starts ask for the same agent, whatever the order of labels and env. */
export function sameSettings(a: Settings, b: Settings): boolean {
  return canonical(a) === canonical(b);
}

function canonical(settings: Settings): string {
  const sorted = (map: StringMap) => Object.entries(map).sort(([x], [y]) => (x < y ? -1 : 1));
  const { name, agent, owner, labels, env, description } = settings;
  return JSON.stringify([name, agent, owner, sorted(labels), sorted(env), description]);
}

function ownerOf(given: string | undefined, vars: Vars): string {
  const owner = given || vars.OPEN_AGENT_OWNER || "worker";
  const problem = newTokenProblem(owner);
  if (problem === undefined) return owner;
  if (given) throw badRequest(`owner ${problem}`);
  throw new WorkerError({ code: "internal", message: `the Worker's var OPEN_AGENT_OWNER ${problem}` });
}

function harnessOf(text: string): Harness {
  const harness = HARNESSES.find((known) => known === text);
  if (harness !== undefined) return harness;
  throw badRequest(`agent is not one of ${HARNESSES.join(", ")}`);
}

function envOf(body: object): StringMap {
  const env = stringMapOf(body, "env");
  const unknown = Object.keys(env).find((key) => !ENV_KEYS.has(key));
  if (unknown !== undefined) {
    throw badRequest(`env has an unknown key ${quoted(unknown)}; the keys are ${[...ENV_KEYS].join(", ")}`);
  }
  return env;
}

function stringMapOf(body: object, field: string): StringMap {
  const value: unknown = Object.getOwnPropertyDescriptor(body, field)?.value ?? {};
  if (!isObject(value)) throw badRequest(`${field} is not an object`);
  if (!Object.values(value).every((entry) => typeof entry === "string")) {
    throw badRequest(`${field} contains a value that is not a string`);
  }
  return value as StringMap;
}

/** An empty string counts as absent. */
function stringOf(body: object, field: string): string | undefined {
  const value: unknown = Object.getOwnPropertyDescriptor(body, field)?.value ?? undefined;
  if (value !== undefined && typeof value !== "string") throw badRequest(`${field} is not a string`);
  return value || undefined;
}

/** A name from a request, truncated and quoted. */
function quoted(name: string): string {
  return JSON.stringify(beginning(name, 64).toWellFormed());
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
