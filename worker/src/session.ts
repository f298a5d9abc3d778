import { DurableObject } from "cloudflare:workers";
import type { Agent } from "./agents/agent.ts";
import { agentFor } from "./agents/index.ts";
import { connectionOptions } from "./bus/access.ts";
import { Connection, type Listener } from "./bus/connection.ts";
import { envelopeOf } from "./bus/envelope.ts";
import { Outbox } from "./bus/outbox.ts";
import { type Job, PromptQueue } from "./bus/queue.ts";
import { redirectOf } from "./bus/redirect.ts";
import { Reply } from "./bus/reply.ts";
import { turnOf } from "./bus/turn.ts";
import type { SessionCalls, Started, State, StopRecord, View } from "./calls.ts";
import { type Env, registryOf } from "./env.ts";
import { type Fault, faultOf, WorkerError } from "./errors.ts";
import { checkLimits, limit, limitOrDefault } from "./limits.ts";
import { errorDetail, info, warn } from "./log.ts";
import { Memory, type StoppedAgent, type StoredAgent } from "./memory.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { presenceOf } from "./presence.ts";
import { type Settings, sameSettings } from "./settings.ts";
import { isReplySubject, subjectsOf } from "./subjects.ts";

/** How often the connection is checked, in milliseconds. */
const PERIOD_MS = 20_000;
/** How long after a failed attempt the bus is tried again, in milliseconds. */
const RETRY_MS = 5_000;
/** How long changes are collected before they are written to disk, in milliseconds: a prompt answer goes out first. */
const NOTE_MS = 100;
/** How many redirects are remembered, to run each only once; few, because each may be a megabyte. */
const MAX_REDIRECTS = 16;

const CUT_OFF: Fault = {
  code: "internal",
  message: "the agent was restarted while it was answering; send the prompt again",
};

/** One agent: settings and conversation on disk, a connection to the bus in memory, an alarm that revives it. */
export class AgentSession extends DurableObject<Env> implements SessionCalls {
  readonly #memory = new Memory(this.ctx.storage);
  readonly #outbox = new Outbox();
  readonly #queue = new PromptQueue(
    (job, signal) => this.#answer(job, signal),
    () => this.#noteActivity(),
  );
  /** Reply subjects of streams that were open when this object was last restarted. */
  #orphans: readonly string[] = this.#memory.agent ? this.#memory.activity.streams : [];
  #redirects: string[] = [];
  #starting: { readonly stored: StoredAgent; readonly work: Promise<void> } | undefined;
  #connecting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #cause: string | undefined;
  #noting: number | null = null;
  /** When a prompt last came or a turn last ended, in milliseconds since 1970; on disk a moment later. */
  #activeAt = this.#memory.activity.at;

  start(session: string, settings: Settings): Promise<Outcome<Started>> {
    return outcomeOf(() => this.#start({ session, settings }));
  }

  async look(): Promise<View | StopRecord | null> {
    if (this.#starting) return this.#view("starting", this.#starting.stored);
    const stored = this.#memory.agent;
    if (stored === undefined) {
      const ended = this.#memory.ended;
      if (ended === undefined) return this.#stopRecord();
      return { ...this.#view("stopped", ended, ended.cause), stopped_at: new Date(ended.at).toISOString() };
    }
    if (this.#outbox.connection?.up) return this.#view(this.#queue.busy ? "busy" : "ready", stored);
    this.ctx.waitUntil(this.#revive(stored));
    return this.#view("starting", stored, this.#cause ?? "it was restarted and is connecting to the bus");
  }

  stop(session: string, cause: string): Promise<Outcome<boolean>> {
    return outcomeOf(() => this.#stop(session, cause));
  }

  /** Restores the connection, whatever broke it. Re-arms itself first, and never throws. */
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
      warn("alarm failed", { session: stored.session, ...errorDetail(thrown) });
    }
  }

  async #start(wanted: StoredAgent): Promise<Started> {
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

  async #join(known: StoredAgent, wanted: StoredAgent): Promise<Started> {
    if (!sameSettings(known.settings, wanted.settings)) {
      throw new WorkerError({
        code: "conflict",
        message:
          "this session is already running with different settings; abort it first, or start another session",
      });
    }
    await (this.#starting?.work ?? this.#connect(known));
    return { created: false, view: this.#view("ready", known) };
  }

  async #create(stored: StoredAgent): Promise<void> {
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
      // A crash in the middle of a start may have left its entry.
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

  async #leave(stored: StoredAgent, cause: string): Promise<void> {
    this.#queue.stop();
    await this.#memory.end(stored, cause);
    // Callers of a turn that was cut off by a restart are still waiting; their streams can only end on the bus.
    const connecting = this.#orphans.length > 0 ? this.#connect(stored) : this.#connecting;
    await connecting?.catch(() => undefined);
    await this.#outbox.detach()?.close();
    await registryOf(this.env).remove(stored.session);
  }

  async #revive(stored: StoredAgent): Promise<void> {
    try {
      await this.#connect(stored);
    } catch (thrown) {
      warn("bus unavailable", { session: stored.session, cause: faultOf(thrown).message });
      if (this.#memory.agent) await this.ctx.storage.setAlarm(Date.now() + RETRY_MS);
    }
  }

  /** Ensures that the agent is on the bus. Throws WorkerError `bus_unavailable`. */
  #connect(stored: StoredAgent): Promise<void> {
    this.#connecting ??= this.#open(stored).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(stored: StoredAgent): Promise<void> {
    if (await this.#outbox.connection?.alive()) return;
    this.#outbox.lose();
    try {
      this.#outbox.attach(
        await Connection.open(connectionOptions(this.env), presenceOf(stored), this.#listener),
      );
      this.#cause = undefined;
    } catch (thrown) {
      this.#cause = faultOf(thrown).message;
      throw thrown;
    }
    this.#endOrphans();
  }

  readonly #listener: Listener = {
    prompt: (payload, reply, connection) => this.#onPrompt(payload, reply, connection),
    signal: (verb, payload) => this.#onSignal(verb, payload),
    restored: () => this.#outbox.restored(),
  };

  #onPrompt(payload: Uint8Array, subject: string, connection: Connection): void {
    if (!isReplySubject(subject)) return;
    const reply = new Reply(this.#outbox, subject);
    try {
      this.#queue.submit({ envelope: envelopeOf(payload, connection.maxRequest), reply });
    } catch (thrown) {
      reply.fail(faultOf(thrown));
    }
  }

  #onSignal(verb: string, payload: Uint8Array): void {
    if (verb === "interrupt") this.#queue.interrupt();
    if (verb === "redirect") this.#onRedirect(payload);
  }

  #onRedirect(payload: Uint8Array): void {
    const redirect = redirectOf(payload);
    if (redirect === undefined) return;
    const known = `${redirect.reply}\n${redirect.envelope.prompt}`;
    if (this.#redirects.includes(known)) return;
    this.#redirects = [...this.#redirects, known].slice(-MAX_REDIRECTS);
    this.#queue.redirect({ envelope: redirect.envelope, reply: new Reply(this.#outbox, redirect.reply) });
  }

  async #answer(job: Job, signal: AbortSignal): Promise<void> {
    // A prompt may arrive between the registration and the end of the start.
    await this.#starting?.work;
    const stored = this.#memory.agent;
    if (stored === undefined) throw new WorkerError({ code: "conflict", message: "this agent was stopped" });
    try {
      await this.#takeTurn(stored, job, signal);
    } catch (thrown) {
      if (!signal.aborted) warn("turn failed", { session: stored.session, ...errorDetail(thrown) });
      throw thrown;
    }
  }

  async #takeTurn({ settings }: StoredAgent, job: Job, signal: AbortSignal): Promise<void> {
    const agent = this.#agentOf(settings);
    const maxMessages = limit(this.env, "AGENT_HISTORY_LIMIT");
    const history = this.#memory.history(maxMessages);
    const turn = turnOf(job, signal, history, this.#outbox, limit(this.env, "AGENT_QUERY_LIMIT_S"));
    const answer = await agent.answer(turn);
    if (signal.aborted) return;
    job.reply.end();
    // The terminator goes out first: a write to disk delays everything sent after it.
    await scheduler.wait(0);
    if (answer !== "" && this.#memory.agent) this.#memory.remember(job.envelope.prompt, answer, maxMessages);
  }

  #agentOf({ agent, env }: Settings): Agent {
    return agentFor(agent, { env: this.env, settings: env, fetch });
  }

  #endOrphans(): void {
    const orphans = this.#orphans;
    this.#orphans = [];
    for (const subject of orphans) {
      const reply = new Reply(this.#outbox, subject);
      if (this.#memory.agent) reply.fail(CUT_OFF);
      else reply.abort();
    }
    if (orphans.length > 0) this.#noteActivity();
  }

  /** Saves what is needed after a restart. */
  #noteActivity(): void {
    this.#activeAt = Date.now();
    this.#noting ??= setTimeout(() => {
      this.#noting = null;
      if (this.#memory.agent) this.#memory.note({ at: this.#activeAt, streams: this.#queue.openStreams });
    }, NOTE_MS);
  }

  #stopRecord(): StopRecord | null {
    const at = this.#memory.missed;
    if (at === undefined) return null;
    return {
      state: "stopped",
      cause: "it was aborted before it was started",
      stopped_at: new Date(at).toISOString(),
    };
  }

  #idleFor(): number {
    return this.#queue.busy ? 0 : Date.now() - this.#activeAt;
  }

  /** Milliseconds; Infinity for never. */
  #idleLimit(): number {
    const seconds = limitOrDefault(this.env, "AGENT_IDLE_LIMIT_S");
    return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000;
  }

  #view(
    state: State,
    { session, settings }: Pick<StoppedAgent, "session" | "settings">,
    cause?: string,
  ): View {
    const { owner, agent } = settings;
    const instance = state === "stopped" ? undefined : this.#outbox.connection?.instanceId;
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
