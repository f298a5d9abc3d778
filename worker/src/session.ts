import { DurableObject } from "cloudflare:workers";
import { isUpToOperator } from "./bus/connection.ts";
import type { Sink, TurnEnd, TurnRequest } from "./bus/turns.ts";
import {
  NO_SEAT,
  type SeatView,
  type SessionCalls,
  type Started,
  type StopRecord,
  type View,
} from "./calls.ts";
import { agentOf, Conversation } from "./conversation.ts";
import { type Env, registryOf } from "./env.ts";
import { CUT_OFF, faultOf, WorkerError } from "./errors.ts";
import { CONNECTING, Home } from "./home.ts";
import { checkLimits, IDLE, limitOrDefault } from "./limits.ts";
import type { State } from "./listing.ts";
import { errorDetail, info, warn } from "./log.ts";
import { Memory, type StoppedAgent, type StoredAgent } from "./memory.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { stoppedRowOf } from "./presence.ts";
import { SessionReports } from "./session_reports.ts";
import { type Settings, sameSettings } from "./settings.ts";
import { subjectsOf } from "./subjects.ts";
import { newTally, numbersOf, type Tally, timeOf } from "./tally.ts";

/*
 * The states of a session, and who knows them:
 *
 * | state    | the record on disk | the agent on the bus | leads to                                          |
 * |----------|--------------------|----------------------|---------------------------------------------------|
 * | (none)   | none               | no                   | starting by a start                               |
 * | starting | none, or an agent  | not yet, not again   | ready once the bus confirms it; (none) if a start fails |
 * | ready    | an agent           | yes                  | busy by a prompt; starting when the bus is lost   |
 * | busy     | an agent           | yes, in a turn       | ready at the end of the turn                      |
 * | stopped  | when and why       | no                   | starting by a start; (none) after a day           |
 *
 * The record is authoritative for the agent and its conversation, the Registry for which sessions have one. An entry in
 * the Registry is added before the record and removed after it, so that no running agent is ever missing from the list.
 */

/** How often the connection is checked, in milliseconds. */
const PERIOD_MS = 20_000;
/** The delay before another attempt to reach the bus, in milliseconds; randomly up to twice as long, to spread attempts. */
const RETRY_MS = 5_000;
/** How long after its time an alarm may still come, in milliseconds. */
const OVERDUE_MS = 5_000;
/** How long an object that was woken may take to set its alarm by itself, in milliseconds. */
const ARM_DELAY_MS = 1_000;
/** How long changes are collected before they are written to disk, in milliseconds, so that answers are sent first. */
const NOTE_MS = 100;

/** How long a turn may be silent before its hub is notified that it has begun, in milliseconds. */
const BEGIN_MS = 5_000;

/** What a view shows besides who the agent is. */
interface Shown {
  readonly seat?: SeatView;
  readonly cause?: string;
  readonly tally?: Tally;
}

const GONE: TurnEnd = {
  rest: [],
  fault: { code: "conflict", message: "this agent was stopped" },
  isGone: true,
};

/** One agent: its settings and conversation on disk, its place on the bus, and an alarm to revive it without a hub. */
export class AgentSession extends DurableObject<Env> implements SessionCalls {
  readonly #memory = new Memory(this.ctx.storage);
  readonly #conversation = new Conversation(this.#memory, this.env);
  readonly #home: Home = new Home(
    this.#memory,
    this.env,
    {
      turn: (_session, request, sink) => this.#turn(request, sink),
      rejoin: async () => ({ rest: [], fault: CUT_OFF }),
      cancel: (_session, id) => this.#conversation.cancel(id),
    },
    { changed: () => this.#onChange(), linked: () => this.#reports.linked() },
  );
  readonly #reports = new SessionReports(this.env, () => {
    const stored = this.#memory.agent;
    return stored && this.#home.report(stored);
  });
  #starting: { readonly stored: StoredAgent; readonly work: Promise<void> } | undefined;
  #entering: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #noting: number | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // An object that its own alarm woke sets the next one itself, and needs no second write.
    if (this.#memory.agent) ctx.waitUntil(scheduler.wait(ARM_DELAY_MS).then(() => this.#arm()));
  }

  start(session: string, settings: Settings): Promise<Outcome<Started>> {
    return outcomeOf(() => this.#start({ session, settings }));
  }

  async look(): Promise<View | StopRecord | null> {
    if (this.#starting) return this.#view("starting", this.#starting.stored, { tally: this.#home.tally });
    const stored = this.#memory.agent;
    if (stored === undefined) {
      const ended = this.#memory.ended;
      if (ended === undefined) return this.#stopRecord();
      return { ...this.#view("stopped", ended, ended), stopped_at: timeOf(ended.at) };
    }
    this.ctx.waitUntil(this.#arm());
    const seat = await this.#seatOf(stored);
    if (seat.isPresent) return this.#view(seat.isBusy ? "busy" : "ready", stored, { seat });
    this.ctx.waitUntil(this.#revive(stored));
    const cause = seat.cause ?? CONNECTING;
    return this.#view("starting", stored, { seat, cause });
  }

  async turn(request: TurnRequest, sink: Sink): Promise<TurnEnd> {
    if (this.#home.hub === undefined) return GONE;
    const timer = setTimeout(() => {
      sink.parts([]).catch(() => undefined);
    }, BEGIN_MS);
    try {
      return await this.#turn(request, sink);
    } finally {
      clearTimeout(timer);
    }
  }

  async rejoin(id: string, sink: Sink): Promise<TurnEnd | null> {
    return (await this.#conversation.rejoin(id, sink)) ?? null;
  }

  async cancel(id: string): Promise<void> {
    this.#conversation.cancel(id);
  }

  async unseat(generation: number, cause?: string, tally?: Tally): Promise<void> {
    const stored = this.#memory.agent;
    if (stored === undefined || this.#home.hub?.generation !== generation) return;
    this.#home.unseated(cause, tally);
    this.#note();
    await registryOf(this.env).add(stored.session);
    await this.#arm();
    await this.#revive(stored);
  }

  async expire(generation: number, cause: string, tally?: Tally): Promise<void> {
    const stored = this.#memory.agent;
    if (stored === undefined || this.#home.hub?.generation !== generation) return;
    this.#home.unseated(undefined, tally);
    await this.#forget(stored, cause);
    info("stopped", { session: stored.session, cause });
  }

  stop(session: string, cause: string): Promise<Outcome<boolean>> {
    return outcomeOf(() => this.#stop(session, cause));
  }

  /** Restores the connection after any failure. Re-arms itself first; if that fails, the platform retries the alarm. */
  override async alarm(): Promise<void> {
    const stored = this.#memory.agent;
    if (stored === undefined) {
      if (this.#starting === undefined) await this.#memory.erase();
      return;
    }
    const left = this.#idleLimit() - (await this.#idleFor(stored));
    await this.ctx.storage.setAlarm(Date.now() + Math.min(PERIOD_MS, left > 0 ? left : PERIOD_MS));
    try {
      if (left <= 0) await this.#stop(stored.session, IDLE);
      else {
        await this.#revive(stored);
        await this.#reports.sign();
      }
    } catch (thrown) {
      warn("alarm failed", { session: stored.session, ...errorDetail(thrown) });
    }
  }

  async #start(wanted: StoredAgent): Promise<Started> {
    while (this.#stopping) await this.#stopping.catch(() => undefined);
    const known = this.#memory.agent ?? this.#starting?.stored;
    if (known !== undefined) return this.#join(known, wanted);
    // The Registry tells a session's agents apart by this time, so it grows even if the clock was set back.
    const before = this.#memory.ended?.tally?.startedAt ?? 0;
    this.#home.tally = newTally(Math.max(Date.now(), before + 1));
    const work = this.#create(wanted);
    this.#starting = { stored: wanted, work };
    try {
      await work;
    } finally {
      this.#starting = undefined;
    }
    return { created: true, view: this.#view("ready", wanted, { seat: await this.#seatOf(wanted) }) };
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
    return { created: false, view: this.#view("ready", known, { seat: await this.#seatOf(known) }) };
  }

  async #create(stored: StoredAgent): Promise<void> {
    checkLimits(this.env);
    agentOf(stored, this.env).check();
    try {
      await this.#enter(stored, true);
    } catch (thrown) {
      this.#home.unseated(undefined);
      await registryOf(this.env).remove(stored.session);
      throw thrown;
    }
    this.#memory.begin(stored, this.#home.tally);
    await this.#schedule();
    this.ctx.waitUntil(this.#reports.send());
    info("started", { session: stored.session, agent: stored.settings.agent });
  }

  async #stop(session: string, cause: string): Promise<boolean> {
    while (this.#starting || this.#stopping) {
      await Promise.allSettled([this.#starting?.work, this.#stopping]);
    }
    const stored = this.#memory.agent;
    const work = stored === undefined ? this.#leaveNothing(session) : this.#leave(stored, cause);
    this.#stopping = work.finally(() => {
      this.#stopping = undefined;
    });
    await this.#stopping;
    if (stored) info("stopped", { session, cause });
    return stored !== undefined;
  }

  /** Cleans up what a crash during a start may have left: a seat and an entry in the Registry. */
  async #leaveNothing(session: string): Promise<void> {
    await this.#home.leave({ session });
    this.#home.unseated(undefined);
    await registryOf(this.env).remove(session);
    await this.#memory.miss();
  }

  async #leave(stored: StoredAgent, cause: string): Promise<void> {
    if (this.#home.hub) {
      // Leave the bus first: if the hub cannot be reached, nothing has changed, and the abort can be repeated.
      await this.#home.leave(stored);
      return this.#forget(stored, cause);
    }
    this.#home.stop(stored);
    const ended = await this.#memory.end(stored, cause, this.#home.tally);
    await this.#entering?.catch(() => undefined);
    await this.#home.leave(stored);
    await this.#remove(ended);
  }

  async #forget(stored: StoredAgent, cause: string): Promise<void> {
    this.#conversation.cancelAll();
    await this.#remove(await this.#memory.end(stored, cause, this.#home.tally));
  }

  async #remove(ended: StoppedAgent): Promise<void> {
    await registryOf(this.env).remove(ended.session, stoppedRowOf(ended));
  }

  async #revive(stored: StoredAgent): Promise<void> {
    try {
      await this.#enter(stored, false);
    } catch (thrown) {
      const fault = faultOf(thrown);
      warn("bus unavailable", { session: stored.session, cause: fault.message });
      if (this.#memory.agent && !this.#home.hub && !isUpToOperator(fault)) {
        await this.ctx.storage.setAlarm(Date.now() + RETRY_MS * (1 + Math.random()));
      }
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
    await this.#home.enter(stored, isNew);
    if (!this.#reports.hasBegun && !this.#home.hub) this.#reports.sendSoon();
    if (this.#memory.agent) await this.#arm();
  }

  async #turn(request: TurnRequest, sink: Sink): Promise<TurnEnd> {
    // A prompt may arrive between the registration and the end of the start.
    await this.#starting?.work;
    const stored = this.#memory.agent;
    if (stored === undefined) return GONE;
    return this.#conversation.turn(stored, request, sink);
  }

  /** Ensures that an alarm is set: nothing else revives an agent with its own connection. */
  async #arm(): Promise<void> {
    if (this.#memory.agent === undefined) return;
    const due = await this.ctx.storage.getAlarm();
    // An alarm that is long overdue was given up by the platform.
    const isSet = due !== null && due > Date.now() - OVERDUE_MS;
    if (isSet === (this.#home.hub !== undefined)) await this.#schedule();
  }

  /** Agents in a hub need no alarm, since the hub has one for all of them. */
  async #schedule(): Promise<void> {
    if (this.#home.hub) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Date.now() + Math.min(PERIOD_MS, this.#idleLimit()));
  }

  /** A stream was opened or ended. */
  #onChange(): void {
    this.#home.tally.activeAt = Date.now();
    this.#noting ??= setTimeout(() => this.#note(), NOTE_MS);
    this.#reports.sendSoon();
  }

  /** Saves what is needed after a restart. */
  #note(): void {
    this.#noting = null;
    const stored = this.#memory.agent;
    if (stored === undefined) return;
    const { tally } = this.#home;
    this.#memory.note({ at: tally.activeAt, streams: this.#home.openStreams(stored), tally });
  }

  #stopRecord(): StopRecord | null {
    const at = this.#memory.missed;
    if (at === undefined) return null;
    return {
      state: "stopped",
      cause: "it was aborted before it was started",
      stopped_at: timeOf(at),
    };
  }

  /** What is known about the agent on the bus, even if its hub cannot be reached. */
  async #seatOf(stored: StoredAgent): Promise<SeatView> {
    try {
      return await this.#home.view(stored);
    } catch (thrown) {
      warn("hub not reached", { session: stored.session, ...errorDetail(thrown) });
      return { ...NO_SEAT, cause: "its hub cannot be reached" };
    }
  }

  /** In milliseconds; 0 for agents in a hub, whose idle time the hub tracks. */
  async #idleFor(stored: StoredAgent): Promise<number> {
    if (this.#home.hub) return 0;
    return (await this.#home.view(stored)).isBusy ? 0 : Date.now() - this.#home.tally.activeAt;
  }

  /** In milliseconds; Infinity for never. */
  #idleLimit(): number {
    const seconds = limitOrDefault(this.env, "AGENT_IDLE_LIMIT_S");
    return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000;
  }

  #view(
    state: State,
    { session, settings }: Pick<StoppedAgent, "session" | "settings">,
    { seat, cause, tally = seat?.tally }: Shown,
  ): View {
    const { owner, agent } = settings;
    const { note } = this.#home;
    return {
      state,
      owner,
      session,
      agent,
      ...(seat?.instanceId && { instance_id: seat.instanceId }),
      subjects: subjectsOf({ owner, session }),
      ...(tally && numbersOf(tally)),
      ...(cause && { cause }),
      ...(note && state !== "stopped" && { note }),
    };
  }
}
