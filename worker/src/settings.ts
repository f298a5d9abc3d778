import type { Vars } from "./env.ts";
import { WorkerError } from "./errors.ts";
import { tokenProblem } from "./tokens.ts";

export const HARNESSES = ["claude-code", "codex", "pi", "gemini", "echo"] as const;
export type Harness = (typeof HARNESSES)[number];

type Texts = Readonly<Record<string, string>>;

/** What a start asks for; a second start with the same settings finds the agent that runs. */
export interface Settings {
  readonly name: string;
  readonly agent: Harness;
  readonly owner: string;
  readonly labels: Texts;
  readonly env: Texts;
  readonly description: string;
}

const FIELDS: ReadonlySet<string> = new Set(["name", "agent", "owner", "labels", "env", "description"]);

/** What a session may choose for itself. */
const ENV_KEYS: ReadonlySet<string> = new Set([
  "OPEN_AGENT_PROVIDER",
  "OPEN_AGENT_MODEL_ID",
  "OPEN_AGENT_OWNER",
]);

/** Reads the body of a start. Throws WorkerError: 400 with the field that is wrong. */
export function settingsOf(body: unknown, session: string, vars: Vars): Settings {
  if (!isObject(body)) throw bad("the body is not a JSON object");
  const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) {
    throw bad(`the body has an unknown field ${shown(unknown)}; the fields are ${[...FIELDS].join(", ")}`);
  }
  const name = textOf(body, "name") ?? session;
  const agent = harnessOf(textOf(body, "agent") ?? "echo");
  const env = envOf(body);
  const { OPEN_AGENT_OWNER: envOwner } = env;
  return {
    name,
    agent,
    owner: ownerOf(textOf(body, "owner") ?? envOwner, vars),
    labels: textsOf(body, "labels"),
    env,
    description: textOf(body, "description") ?? `${name}: an open-agent at the edge (${agent})`,
  };
}

/** Whether two starts ask for the same agent; the order of labels and env means nothing. */
export function sameSettings(a: Settings, b: Settings): boolean {
  return canonical(a) === canonical(b);
}

function canonical(settings: Settings): string {
  const sorted = (texts: Texts) => Object.entries(texts).sort(([x], [y]) => (x < y ? -1 : 1));
  const { name, agent, owner, labels, env, description } = settings;
  return JSON.stringify([name, agent, owner, sorted(labels), sorted(env), description]);
}

function ownerOf(given: string | undefined, vars: Vars): string {
  const owner = given || vars.OPEN_AGENT_OWNER || "worker";
  const problem = tokenProblem(owner);
  if (problem === undefined) return owner;
  if (given) throw bad(`owner ${problem}`);
  throw new WorkerError({ code: "internal", message: `the Worker's var OPEN_AGENT_OWNER ${problem}` });
}

function harnessOf(text: string): Harness {
  const harness = HARNESSES.find((known) => known === text);
  if (harness !== undefined) return harness;
  throw bad(`agent is not one of ${HARNESSES.join(", ")}`);
}

function envOf(body: object): Texts {
  const env = textsOf(body, "env");
  const unknown = Object.keys(env).find((key) => !ENV_KEYS.has(key));
  if (unknown !== undefined) {
    throw bad(`env has an unknown key ${shown(unknown)}; the keys are ${[...ENV_KEYS].join(", ")}`);
  }
  return env;
}

function textsOf(body: object, field: string): Texts {
  const value: unknown = Object.getOwnPropertyDescriptor(body, field)?.value ?? {};
  if (!isObject(value)) throw bad(`${field} is not an object`);
  if (!Object.values(value).every((text) => typeof text === "string")) {
    throw bad(`${field} holds a value that is not a string`);
  }
  return value as Texts;
}

/** An empty text counts as absent. */
function textOf(body: object, field: string): string | undefined {
  const value: unknown = Object.getOwnPropertyDescriptor(body, field)?.value ?? undefined;
  if (value !== undefined && typeof value !== "string") throw bad(`${field} is not a string`);
  return value || undefined;
}

/** A name from a request, short and quoted. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(message: string): WorkerError {
  return new WorkerError({ code: "bad_request", message });
}
