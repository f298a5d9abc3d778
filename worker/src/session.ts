import { DurableObject } from "cloudflare:workers";
import type { Agent } from "./agents/agent.ts";
import { agentFor } from "./agents/index.ts";
import { accessOf } from "./bus/access.ts";
import { Bus } from "./bus/bus.ts";
import { envelopeOf } from "./bus/envelope.ts";
import { Link, type Listener } from "./bus/link.ts";
import { redirectOf } from "./bus/redirect.ts";
import { Reply } from "./bus/reply.ts";
import { turnOf } from "./bus/turn.ts";
import { type Job, Turns } from "./bus/turns.ts";
import type { Env } from "./env.ts";
import { type Fault, faultOf, WorkerError } from "./errors.ts";
import { checkLimits, limit, limitOrDefault } from "./limits.ts";
import { info, warn, whatFailed } from "./log.ts";
import { type Ended, Memory, type Stored } from "./memory.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { presenceOf } from "./presence.ts";
import { registryOf } from "./registry.ts";
import { type Settings, sameSettings } from "./settings.ts";
import { isReplySubject, type Subjects, subjectsOf } from "./subjects.ts";

/** Milliseconds between two looks at the connection. */
const PERIOD_MS = 20_000;
/** Milliseconds until a bus that could not be reached is tried again. */
const RETRY_MS = 5_000;
/** Milliseconds for which changes are gathered before they are written down: what answers at once goes out before. */
const NOTE_MS = 100;
/** Redirects that are remembered, to do each only once; few, because each may be a megabyte. */
const REDIRECTS = 16;

const CUT_OFF: Fault = {
  code: "internal",
  message: "the agent was restarted while it answered; send the prompt again",
};

export type State = "starting" | "ready" | "busy" | "stopped";

/** What the routes tell of an agent. */
export interface View {
  readonly state: State;
  readonly owner: string;
  readonly session: string;
  readonly agent: string;
  readonly instance_id?: string;
  readonly subjects: Subjects;
  /** Why it stopped, or why it is not on the bus. */
  readonly cause?: string;
  /** When it was last stopped, as RFC 3339: whoever spawned it anew since then tells the two apart by it. */
  readonly stopped_at?: string;
}

/** What is told of a session that was stopped before anything was started in it. */
export type Missed = Pick<View, "state" | "cause" | "stopped_at">;

export interface Started {
  /** False when the agent ran already. */
  readonly created: boolean;
  readonly view: View;
}

/** One agent: its settings and conversation on disk, its connection to the bus in memory, an alarm to revive it. */
export class AgentSession extends DurableObject<Env> {
  readonly #memory = new Memory(this.ctx.storage);
  readonly #bus = new Bus();
  readonly #turns = new Turns(
    (job, signal) => this.#answer(job, signal),
    () => this.#noteActivity(),
  );
  /** Streams that an earlier life of this object left open. */
  #orphans: readonly string[] = this.#memory.agent ? this.#memory.activity.streams : [];
  #redirects: string[] = [];
  #starting: { readonly stored: Stored; readonly work: Promise<void> } | undefined;
  #connecting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #cause: string | undefined;
  #noting: number | null = null;
  /** When a prompt last came or a turn last ended, in milliseconds since 1970; on disk a moment later. */
  #activeAt = this.#memory.activity.at;

  /** Starts the agent, or finds the one that runs with these settings. */
  start(session: string, settings: Settings): Promise<Outcome<Started>> {
    return outcomeOf(() => this.#start({ session, settings }));
  }

  /** What this session is doing; null when nothing is known of it. */
  async look(): Promise<View | Missed | null> {
    if (this.#starting) return this.#view("starting", this.#starting.stored);
    const stored = this.#memory.agent;
    if (stored === undefined) {
      const ended = this.#memory.ended;
      if (ended === undefined) return this.#missed();
      return { ...this.#view("stopped", ended, ended.cause), stopped_at: new Date(ended.at).toISOString() };
    }
    if (this.#bus.link?.up) return this.#view(this.#turns.busy ? "busy" : "ready", stored);
    this.ctx.waitUntil(this.#revive(stored));
    return this.#view("starting", stored, this.#cause ?? "it was restarted and connects to the bus again");
  }

  /** Ends all streams, leaves the bus and forgets; tells whether there was something to stop. */
  stop(session: string, cause: string): Promise<Outcome<boolean>> {
    return outcomeOf(() => this.#stop(session, cause));
  }

  /** Revives the connection after anything that broke it. It re-arms itself first, and never throws. */
  override async alarm(): Promise<void> {
    const stored = this.#memory.agent;
    if (stored === undefined) {
      if (this.#starting === undefined) await this.#memory.erase();
      return;
    }
    try {
      const left = this.#idleLimit() - this.#idleFor();
      await this.ctx.storage.setAlarm(Date.now() + Math.min(PERIOD_MS, left > 0 ? left : PERIOD_MS));
      if (left <= 0) {
        await this.#stop(stored.session, "no prompt came within AGENT_IDLE_LIMIT_S");
      } else await this.#revive(stored);
    } catch (thrown) {
      warn("alarm failed", { session: stored.session, ...whatFailed(thrown) });
    }
  }

  async #start(wanted: Stored): Promise<Started> {
    await this.#stopping;
    const known = this.#memory.agent ?? this.#starting?.stored;
    if (known !== undefined) return this.#join(known, wanted);
    const work = this.#create(wanted);
    this.#starting = { stored: wanted, work };
    try {
      await work;
    } finally {
      this.#starting = undefined;
    }
    return { created: true, view: this.#view("ready", wanted) };
  }

  async #join(known: Stored, wanted: Stored): Promise<Started> {
    if (!sameSettings(known.settings, wanted.settings)) {
      throw new WorkerError({
        code: "conflict",
        message: "this session already runs with other settings; abort it first, or start another session",
      });
    }
    await (this.#starting?.work ?? this.#connect(known));
    return { created: false, view: this.#view("ready", known) };
  }

  async #create(stored: Stored): Promise<void> {
    checkLimits(this.env);
    this.#agentOf(stored.settings).check();
    await registryOf(this.env).add(stored.session);
    try {
      await this.#connect(stored);
    } catch (thrown) {
      await registryOf(this.env).remove(stored.session);
      throw thrown;
    }
    this.#memory.begin(stored);
    this.#activeAt = Date.now();
    await this.ctx.storage.setAlarm(Date.now() + Math.min(PERIOD_MS, this.#idleLimit()));
    info("started", { session: stored.session, agent: stored.settings.agent });
  }

  async #stop(session: string, cause: string): Promise<boolean> {
    await Promise.allSettled([this.#starting?.work, this.#stopping]);
    const stored = this.#memory.agent;
    if (stored === undefined) {
      // A start that a crash cut off may have left its entry.
      await registryOf(this.env).remove(session);
      await this.#memory.miss();
      return false;
    }
    this.#stopping = this.#leave(stored, cause).finally(() => {
      this.#stopping = undefined;
    });
    await this.#stopping;
    info("stopped", { session, cause });
    return true;
  }

  async #leave(stored: Stored, cause: string): Promise<void> {
    this.#turns.stop();
    await this.#memory.end(stored, cause);
    // The callers of a turn that a crash cut off still wait, and only the bus can tell them.
    const connecting = this.#orphans.length > 0 ? this.#connect(stored) : this.#connecting;
    await connecting?.catch(() => undefined);
    await this.#bus.detach()?.close();
    await registryOf(this.env).remove(stored.session);
  }

  async #revive(stored: Stored): Promise<void> {
    try {
      await this.#connect(stored);
    } catch (thrown) {
      warn("bus unavailable", { session: stored.session, cause: faultOf(thrown).message });
      if (this.#memory.agent) await this.ctx.storage.setAlarm(Date.now() + RETRY_MS);
    }
  }

  /** Sees to it that the agent is on the bus. Throws WorkerError `bus_unavailable`. */
  #connect(stored: Stored): Promise<void> {
    this.#connecting ??= this.#open(stored).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(stored: Stored): Promise<void> {
    if (await this.#bus.link?.alive()) return;
    this.#bus.lose();
    try {
      this.#bus.attach(await Link.open(accessOf(this.env), presenceOf(stored), this.#listener));
      this.#cause = undefined;
    } catch (thrown) {
      this.#cause = faultOf(thrown).message;
      throw thrown;
    }
    this.#endOrphans();
  }

  readonly #listener: Listener = {
    prompt: (payload, reply, link) => this.#onPrompt(payload, reply, link),
    signal: (verb, payload) => this.#onSignal(verb, payload),
    restored: () => this.#bus.restored(),
  };

  #onPrompt(payload: Uint8Array, subject: string, link: Link): void {
    if (!isReplySubject(subject)) return;
    const reply = new Reply(this.#bus, subject);
    try {
      this.#turns.submit({ envelope: envelopeOf(payload, link.maxRequest), reply });
    } catch (thrown) {
      reply.fail(faultOf(thrown));
    }
  }

  #onSignal(verb: string, payload: Uint8Array): void {
    if (verb === "interrupt") this.#turns.interrupt();
    if (verb === "redirect") this.#onRedirect(payload);
  }

  #onRedirect(payload: Uint8Array): void {
    const redirect = redirectOf(payload);
    if (redirect === undefined) return;
    const known = `${redirect.reply}\n${redirect.envelope.prompt}`;
    if (this.#redirects.includes(known)) return;
    this.#redirects = [...this.#redirects, known].slice(-REDIRECTS);
    this.#turns.redirect({ envelope: redirect.envelope, reply: new Reply(this.#bus, redirect.reply) });
  }

  async #answer(job: Job, signal: AbortSignal): Promise<void> {
    // A prompt can come between the registration and the end of the start.
    await this.#starting?.work;
    const stored = this.#memory.agent;
    if (stored === undefined) throw new WorkerError({ code: "conflict", message: "this agent was stopped" });
    try {
      await this.#takeTurn(stored, job, signal);
    } catch (thrown) {
      if (!signal.aborted) warn("turn failed", { session: stored.session, ...whatFailed(thrown) });
      throw thrown;
    }
  }

  async #takeTurn({ settings }: Stored, job: Job, signal: AbortSignal): Promise<void> {
    const agent = this.#agentOf(settings);
    const most = limit(this.env, "AGENT_HISTORY_LIMIT");
    const history = this.#memory.history(most);
    const turn = turnOf(job, signal, history, this.#bus, limit(this.env, "AGENT_QUERY_LIMIT_S"));
    const answer = await agent.answer(turn);
    if (signal.aborted) return;
    job.reply.end();
    // The terminator goes out first: a write to the disk holds back what is sent after it.
    await scheduler.wait(0);
    if (answer !== "" && this.#memory.agent) this.#memory.remember(job.envelope.prompt, answer, most);
  }

  #agentOf({ agent, env }: Settings): Agent {
    return agentFor(agent, { env: this.env, settings: env, fetch });
  }

  #endOrphans(): void {
    const orphans = this.#orphans;
    this.#orphans = [];
    for (const subject of orphans) {
      const reply = new Reply(this.#bus, subject);
      if (this.#memory.agent) reply.fail(CUT_OFF);
      else reply.abort();
    }
    if (orphans.length > 0) this.#noteActivity();
  }

  /** Writes what a restart must know. */
  #noteActivity(): void {
    this.#activeAt = Date.now();
    this.#noting ??= setTimeout(() => {
      this.#noting = null;
      if (this.#memory.agent) this.#memory.note({ at: this.#activeAt, streams: this.#turns.openStreams });
    }, NOTE_MS);
  }

  #missed(): Missed | null {
    const at = this.#memory.missed;
    if (at === undefined) return null;
    return {
      state: "stopped",
      cause: "it was aborted before it was started",
      stopped_at: new Date(at).toISOString(),
    };
  }

  #idleFor(): number {
    return this.#turns.busy ? 0 : Date.now() - this.#activeAt;
  }

  /** Milliseconds; Infinity for never. */
  #idleLimit(): number {
    const seconds = limitOrDefault(this.env, "AGENT_IDLE_LIMIT_S");
    return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000;
  }

  #view(state: State, { session, settings }: Pick<Ended, "session" | "settings">, cause?: string): View {
    const { owner, agent } = settings;
    const instance = state === "stopped" ? undefined : this.#bus.link?.instanceId;
    return {
      state,
      owner,
      session,
      agent,
      ...(instance && { instance_id: instance }),
      subjects: subjectsOf({ owner, session }),
      ...(cause && { cause }),
    };
  }
}
