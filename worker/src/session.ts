import { DurableObject } from "cloudflare:workers";
import { Seats } from "./bus/seats.ts";
import type { Order, Sink, TurnEnd, TurnRunner } from "./bus/turns.ts";
import type { SessionCalls, Started, State, StopRecord, View } from "./calls.ts";
import { agentOf, Conversation } from "./conversation.ts";
import { type Env, registryOf } from "./env.ts";
import { type Fault, faultOf, WorkerError } from "./errors.ts";
import { checkLimits, limitOrDefault } from "./limits.ts";
import { errorDetail, info, warn } from "./log.ts";
import { Memory, type StoppedAgent, type StoredAgent } from "./memory.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { presenceOf } from "./presence.ts";
import { type Settings, sameSettings } from "./settings.ts";
import { subjectsOf } from "./subjects.ts";

/*
 * The states of a session, and who knows them:
 *
 * | state    | the record on disk | the agent on the bus | leads to                                          |
 * |----------|--------------------|----------------------|---------------------------------------------------|
 * | (none)   | none               | no                   | starting by a start                               |
 * | starting | none, or an agent  | not yet, not again   | ready when the bus proved it; (none) if a start fails |
 * | ready    | an agent           | yes                  | busy by a prompt; starting when the bus is lost   |
 * | busy     | an agent           | yes, in a turn       | ready at the end of the turn                      |
 * | stopped  | when and why       | no                   | starting by a start; (none) after a day           |
 *
 * The record is the truth about the agent and its conversation, the Registry's entry about which sessions have one. An
 * entry is made before the record and removed after it, so that nothing that runs is ever missing from the list.
 */

/** How often the connection is checked, in milliseconds. */
const PERIOD_MS = 20_000;
/** How long after a failed attempt the bus is tried again, in milliseconds. */
const RETRY_MS = 5_000;
/** How long after its time an alarm may still come, in milliseconds. */
const OVERDUE_MS = 5_000;
/** How often the Registry gets a sign of life, in milliseconds. */
const SIGN_MS = 35_000;
/** How long changes are collected before they are written to disk, in milliseconds: a prompt answer goes out first. */
const NOTE_MS = 100;

const CUT_OFF: Fault = {
  code: "internal",
  message: "the agent was restarted while it was answering; send the prompt again",
};

/** One agent: settings and conversation on disk, a connection to the bus in memory, an alarm that revives it. */
export class AgentSession extends DurableObject<Env> implements SessionCalls {
  readonly #memory = new Memory(this.ctx.storage);
  readonly #conversation = new Conversation(this.#memory, this.env);
  /** Reply subjects of streams that were open when this object was last restarted. */
  #orphans: readonly string[] = this.#memory.agent ? this.#memory.activity.streams : [];
  #seats: Seats | undefined;
  #starting: { readonly stored: StoredAgent; readonly work: Promise<void> } | undefined;
  #entering: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #noting: number | null = null;
  /** When a prompt last came or a turn last ended, in milliseconds since 1970; on disk a moment later. */
  #activeAt = this.#memory.activity.at;
  #signedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    if (this.#memory.agent) ctx.waitUntil(this.#arm());
  }

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
    this.ctx.waitUntil(this.#arm());
    if (this.#isPresent(stored)) return this.#view(this.#isBusy(stored) ? "busy" : "ready", stored);
    this.ctx.waitUntil(this.#revive(stored));
    return this.#view(
      "starting",
      stored,
      this.#seats?.cause ?? "it was restarted and is connecting to the bus",
    );
  }

  stop(session: string, cause: string): Promise<Outcome<boolean>> {
    return outcomeOf(() => this.#stop(session, cause));
  }

  /** Restores the connection, whatever broke it. Re-arms itself first; if that fails, the platform tries again. */
  override async alarm(): Promise<void> {
    const stored = this.#memory.agent;
    if (stored === undefined) {
      if (this.#starting === undefined) await this.#memory.erase();
      return;
    }
    const left = this.#idleLimit() - this.#idleFor(stored);
    await this.ctx.storage.setAlarm(Date.now() + Math.min(PERIOD_MS, left > 0 ? left : PERIOD_MS));
    try {
      if (left <= 0) await this.#stop(stored.session, "no prompt came within AGENT_IDLE_LIMIT_S");
      else await Promise.all([this.#revive(stored), this.#sign(stored)]);
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
    await (this.#starting?.work ?? this.#enter(known, false));
    return { created: false, view: this.#view("ready", known) };
  }

  async #create(stored: StoredAgent): Promise<void> {
    checkLimits(this.env);
    agentOf(stored, this.env).check();
    await registryOf(this.env).add(stored.session);
    try {
      await this.#enter(stored, true);
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
    this.#seats?.get(stored.session)?.stop();
    await this.#memory.end(stored, cause);
    // Callers of a turn that was cut off by a restart are still waiting; their streams can only end on the bus.
    const entering = this.#orphans.length > 0 ? this.#enter(stored, false) : this.#entering;
    await entering?.catch(() => undefined);
    await this.#seats?.leave(stored.session);
    await registryOf(this.env).remove(stored.session);
  }

  async #revive(stored: StoredAgent): Promise<void> {
    try {
      await this.#enter(stored, false);
    } catch (thrown) {
      warn("bus unavailable", { session: stored.session, cause: faultOf(thrown).message });
      if (this.#memory.agent) await this.ctx.storage.setAlarm(Date.now() + RETRY_MS);
    }
  }

  /** Makes sure that the agent is on the bus and will be woken. Throws WorkerError `bus_unavailable`, `conflict`. */
  #enter(stored: StoredAgent, isNew: boolean): Promise<void> {
    this.#entering ??= this.#takeSeat(stored, isNew).finally(() => {
      this.#entering = undefined;
    });
    return this.#entering;
  }

  async #takeSeat(stored: StoredAgent, isNew: boolean): Promise<void> {
    this.#seats ??= new Seats({
      vars: this.env,
      name: stored.session,
      shared: false,
      runner: this.#runner,
      changed: () => this.#noteActivity(stored),
    });
    const seat = await this.#seats.join(presenceOf(stored), isNew);
    const orphans = this.#orphans;
    this.#orphans = [];
    for (const subject of orphans) seat.endOrphan(subject, this.#memory.agent ? CUT_OFF : undefined);
    if (orphans.length > 0) this.#noteActivity(stored);
    if (this.#memory.agent) await this.#arm();
  }

  readonly #runner: TurnRunner = {
    turn: (_session, order, sink) => this.#turn(order, sink),
    cancel: (_session, id) => this.#conversation.cancel(id),
  };

  async #turn(order: Order, sink: Sink): Promise<TurnEnd> {
    // A prompt may arrive between the registration and the end of the start.
    await this.#starting?.work;
    const stored = this.#memory.agent;
    if (stored === undefined) throw new WorkerError({ code: "conflict", message: "this agent was stopped" });
    return this.#conversation.turn(stored, order, sink);
  }

  /** Sees to it that an alarm is set: without one, nothing revives the agent. */
  async #arm(): Promise<void> {
    const due = await this.ctx.storage.getAlarm();
    // One that is long due was given up by the platform.
    const isSet = due !== null && due > Date.now() - OVERDUE_MS;
    if (!isSet && this.#memory.agent) await this.ctx.storage.setAlarm(Date.now() + PERIOD_MS);
  }

  /** Tells the Registry that this agent needs no waking. */
  async #sign({ session }: StoredAgent): Promise<void> {
    if (Date.now() - this.#signedAt < SIGN_MS) return;
    this.#signedAt = Date.now();
    await registryOf(this.env).seen(session);
  }

  /** Saves what is needed after a restart. */
  #noteActivity({ session }: StoredAgent): void {
    this.#activeAt = Date.now();
    this.#noting ??= setTimeout(() => {
      this.#noting = null;
      const streams = this.#seats?.get(session)?.openStreams ?? [];
      if (this.#memory.agent) this.#memory.note({ at: this.#activeAt, streams });
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

  #isPresent({ session }: StoredAgent): boolean {
    return this.#seats?.up === true && this.#seats.get(session) !== undefined;
  }

  #isBusy({ session }: StoredAgent): boolean {
    return this.#seats?.get(session)?.busy === true;
  }

  #idleFor(stored: StoredAgent): number {
    return this.#isBusy(stored) ? 0 : Date.now() - this.#activeAt;
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
    const instance = state === "stopped" ? undefined : this.#seats?.get(session)?.instanceId;
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
