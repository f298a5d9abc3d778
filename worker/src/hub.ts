import { DurableObject } from "cloudflare:workers";
import type { Presence } from "./bus/seat.ts";
import { Seats } from "./bus/seats.ts";
import { type HubCalls, type Newcomer, type SeatView, SIGN_MS } from "./calls.ts";
import { type Env, registryOf, sessionOf } from "./env.ts";
import { CUT_OFF, type Fault, faultOf, WorkerError } from "./errors.ts";
import { HubMemory, type LeaverRow, type SeatRow } from "./hub_memory.ts";
import { HubReports } from "./hub_reports.ts";
import { HubTurns } from "./hub_turns.ts";
import { IDLE, limitOrDefault, validAgentsPerHub } from "./limits.ts";
import type { AgentRow } from "./listing.ts";
import { errorDetail, info, warn } from "./log.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { rowOf } from "./presence.ts";
import { latest, newTally, type Tally } from "./tally.ts";

/*
 * Where each fact is kept:
 *
 * | fact                                   | owner    | copies, and how differences are found                         |
 * |----------------------------------------|----------|---------------------------------------------------------------|
 * | the agent, its settings, conversation  | session  | the hub's seat row has the settings; the session joins again  |
 * | which sessions have an agent, and where| Registry | the session's place; the hub asks once a minute for its own   |
 * | which agents are on this connection    | hub      | none: in memory                                               |
 * | which streams are open                 | hub      | on disk a tenth of a second later; after a restart sessions   |
 * |                                        |          | say which of them they still answer                           |
 * | what an agent has done                 | hub      | on disk with its streams; the session gets it with the seat,  |
 * |                                        |          | the Registry within seconds                                   |
 *
 * Calls go from the hub to sessions. A session calls the hub only in a request from the Worker, and otherwise only the
 * sink of its current turn, since the platform limits the depth of calls between objects. Other notifications of sessions
 * are stored and sent by an alarm, which starts a new chain of calls.
 */

/** How often the connection is checked, in milliseconds. */
const PERIOD_MS = 5_000;
/** The same while sessions are waiting to be notified. */
const SOON_MS = 500;
/** How long changes are collected before they are written to disk, in milliseconds. */
const NOTE_MS = 100;
/** How many sessions one alarm calls: calls to other objects are limited to 50 on the free plan. */
const CALL_LIMIT = 40;

const CONNECTING = "its hub is connecting to the bus";

/** Shares one connection to the bus among many agents, and calls their sessions for turns. */
export class Hub extends DurableObject<Env> implements HubCalls {
  readonly #memory = new HubMemory(this.ctx.storage);
  readonly #tallies = new Map<string, Tally>();
  readonly #changed = new Set<string>();
  /** Streams that were open before a restart and that no turn answers any more. */
  readonly #orphans = new Map<string, readonly string[]>();
  #noting: number | null = null;
  #searchedAt = 0;
  #isArmed = false;
  readonly #seats: Seats = new Seats({
    vars: this.env,
    name: () => this.#memory.name,
    shared: true,
    runner: new HubTurns(this.env, this.#memory, (session, cause) =>
      this.#unseat([session], cause ? { cause } : undefined),
    ),
    changed: (session) => this.#onChange(session),
    crowded: () => this.#thinOut(),
    refused: (sessions, { message }) => this.#unseat(sessions, { cause: message }),
  });
  readonly #reports = new HubReports(this.env, this.#memory, {
    cause: () => (this.#seats.up ? undefined : (this.#seats.cause ?? CONNECTING)),
    row: (session) => this.#row(session),
  });

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    if (this.#memory.isEmpty) return;
    this.#restore();
    ctx.waitUntil(Promise.all([this.#check(), this.#arm()]));
  }

  join(hub: string, presence: Presence, newcomer: Newcomer): Promise<Outcome<SeatView>> {
    return outcomeOf(() => this.#join(hub, presence, newcomer));
  }

  leave(session: string, generation: number): Promise<Outcome<Tally | undefined>> {
    return outcomeOf(async () => {
      const row = this.#memory.seats.get(session);
      if (row && row.generation > generation) return undefined;
      const left = this.#memory.leavers.get(session);
      this.#memory.unseat(session, undefined);
      this.#endOrphans(session, undefined);
      await this.#seats.leave(session);
      const tally = this.#tallies.get(session) ?? left?.tally;
      this.#tallies.delete(session);
      await this.#forgetAll();
      return tally && { ...tally };
    });
  }

  async view(session: string): Promise<SeatView | null> {
    return this.#memory.seats.has(session) ? this.#view(session) : null;
  }

  async wake(hub?: string): Promise<void> {
    // A silent hub may have lost its alarm.
    this.#isArmed = false;
    if (!this.#memory.isEmpty) await this.#arm();
    else if (hub !== undefined) await this.#findMissing(hub);
    await this.#check();
  }

  /** Periodic maintenance. Re-arms itself first; if that fails, the platform retries the alarm. */
  override async alarm(): Promise<void> {
    this.#isArmed = false;
    if (this.#memory.isEmpty) return this.#forgetAll();
    await this.#arm();
    try {
      await Promise.all([this.#check(), this.#reports.send()]);
      this.#expire();
      this.#resize();
      await this.#notifyLeavers();
      await this.#search();
    } catch (thrown) {
      warn("alarm failed", { hub: this.#memory.name, ...errorDetail(thrown) });
    }
    if (this.#memory.leavers.size > 0) await this.ctx.storage.setAlarm(Date.now() + SOON_MS);
  }

  async #join(hub: string, presence: Presence, newcomer: Newcomer): Promise<SeatView> {
    const { session } = presence.identity;
    const { generation, isNew } = newcomer;
    this.#memory.name = hub;
    const known = this.#memory.seats.get(session);
    const left = this.#memory.leavers.get(session);
    if ((known?.generation ?? 0) > generation || left?.generation === generation) {
      throw new WorkerError({ code: "overloaded", message: left?.cause ?? "the agent has moved since" });
    }
    if (known?.generation !== generation) this.#adopt(session, newcomer);
    const tally = this.#tallyOf(session);
    try {
      // An agent that was on the bus before keeps its seat while the bus is unavailable.
      if (!isNew) this.#seat(session, { presence, generation });
      await this.#seats.join(presence, isNew, tally);
      if (isNew) this.#seat(session, { presence, generation });
    } catch (thrown) {
      const isRefused = faultOf(thrown).code === "overloaded" || (isNew && known === undefined);
      if (isRefused) this.#forget(session);
      else if (this.#seats.get(session) === undefined) this.#seats.restore(presence, tally);
      throw thrown;
    } finally {
      await this.#arm();
    }
    this.#endOrphans(session, CUT_OFF);
    this.ctx.waitUntil(this.#reports.sendNext());
    return this.#view(session);
  }

  /** Takes over what an agent has done elsewhere, and its streams that were left open there. */
  #adopt(session: string, { orphans, tally }: Newcomer): void {
    if (this.#seats.get(session)) this.#seats.expel([session]);
    const saved = this.#memory.activity.get(session)?.tally;
    this.#tallies.set(session, { ...latest(tally ?? newTally(Date.now()), saved) });
    this.#orphans.set(
      session,
      orphans.map(({ subject }) => subject),
    );
  }

  #seat(session: string, row: SeatRow): void {
    this.#memory.seat(session, row);
    this.#note(session);
    this.#reports.add(session);
  }

  #forget(session: string): void {
    this.#memory.unseat(session, undefined);
    this.#tallies.delete(session);
    this.#orphans.delete(session);
  }

  #view(session: string): SeatView {
    return { ...this.#seats.view(session), tally: this.#tallyOf(session) };
  }

  /** Restores the seats and streams after a restart of this object. */
  #restore(): void {
    for (const [session, { presence }] of this.#memory.seats) {
      const activity = this.#memory.activity.get(session) ?? { at: Date.now(), streams: [] };
      const { at, streams, tally = newTally(at) } = activity;
      this.#tallies.set(session, { ...tally });
      this.#reports.add(session);
      const seat = this.#seats.restore(presence, this.#tallyOf(session));
      for (const { subject, turn } of streams) if (turn !== undefined) seat.resume(subject, turn);
      const orphans = streams.filter(({ turn }) => turn === undefined);
      this.#orphans.set(
        session,
        orphans.map(({ subject }) => subject),
      );
    }
  }

  #endOrphans(session: string, fault: Fault | undefined): void {
    const orphans = this.#orphans.get(session) ?? [];
    this.#orphans.delete(session);
    for (const subject of orphans) this.#seats.get(session)?.endOrphan(subject, fault);
    // Otherwise the next restart would end them again.
    if (orphans.length > 0) this.#onChange(session);
  }

  /** Without agents nothing is stored, so that the hub costs nothing. */
  async #forgetAll(): Promise<void> {
    if (!this.#memory.isEmpty) return;
    this.#isArmed = false;
    await this.#memory.erase();
  }

  async #check(): Promise<void> {
    if (this.#memory.seats.size === 0) return;
    try {
      await this.#seats.check();
      for (const session of this.#orphans.keys()) this.#endOrphans(session, CUT_OFF);
    } catch (thrown) {
      warn("bus unavailable", { hub: this.#memory.name, cause: faultOf(thrown).message });
    }
  }

  /** Takes agents off the bus; with a leaver, their sessions are notified in the next alarm. */
  #unseat(sessions: readonly string[], leaver: Omit<LeaverRow, "generation"> | undefined): void {
    // A turn that is still running loses its caller together with the seat, and then counts as failed.
    setTimeout(() => {
      this.#seats.expel(sessions);
      for (const session of sessions) {
        const leaver = this.#memory.leavers.get(session);
        if (leaver) this.#memory.unseat(session, leaver);
      }
    }, 0);
    for (const session of sessions) {
      const row = this.#memory.seats.get(session);
      if (row === undefined) continue;
      const tally = this.#tallyOf(session);
      this.#memory.unseat(session, leaver && { ...leaver, generation: row.generation, tally });
      this.#tallies.delete(session);
    }
    if (leaver) void this.ctx.storage.setAlarm(Date.now() + SOON_MS, { allowUnconfirmed: true });
  }

  /** Gives half of the agents their own connections, because the bus accepts too few subscriptions for all. */
  #thinOut(): void {
    const sessions = [...this.#memory.seats.keys()];
    const half = sessions.slice(0, Math.ceil(sessions.length / 2));
    this.#seats.expel(half);
    this.#unseat(half, {
      cause: "the bus allows one connection too few subscriptions for all agents of the hub",
    });
  }

  /** Stops agents that have reached the idle limit. */
  #expire(): void {
    const limitS = limitOrDefault(this.env, "AGENT_IDLE_LIMIT_S");
    if (limitS === 0) return;
    const oldest = Date.now() - limitS * 1000;
    const idle = [...this.#memory.seats.keys()].filter(
      (session) => !this.#seats.get(session)?.busy && this.#tallyOf(session).activeAt < oldest,
    );
    if (idle.length > 0) this.#unseat(idle, { stopped: IDLE });
  }

  /** Moves agents away if a deployment has lowered AGENTS_PER_HUB. */
  #resize(): void {
    const size = validAgentsPerHub(this.env);
    if (size === undefined) return;
    const sessions = [...this.#memory.seats.keys()];
    const free = sessions.slice(size === 1 ? 0 : size).filter((session) => !this.#seats.get(session)?.busy);
    if (free.length > 0) this.#unseat(free.slice(0, CALL_LIMIT), {});
  }

  async #notifyLeavers(): Promise<void> {
    const leavers = [...this.#memory.leavers].slice(0, CALL_LIMIT);
    await Promise.all(leavers.map(([session, row]) => this.#notifyLeaver(session, row)));
  }

  async #notifyLeaver(session: string, { generation, cause, stopped, tally }: LeaverRow): Promise<void> {
    try {
      if (stopped) await sessionOf(this.env, session).expire(generation, stopped, tally);
      else await sessionOf(this.env, session).unseat(generation, cause, tally);
      if (this.#memory.leavers.get(session)?.generation === generation)
        this.#memory.unseat(session, undefined);
      info("left the hub", { session, hub: this.#memory.name, cause: cause ?? stopped ?? "it moves" });
    } catch (thrown) {
      warn("session not reached", { session, hub: this.#memory.name, ...errorDetail(thrown) });
      // Registered with its own connection, the session is woken by the cron trigger, and then asks for its seat.
      await registryOf(this.env)
        .add(session)
        .catch(() => undefined);
    }
  }

  /** Looks for agents whose row was lost, here or in the Registry. */
  async #search(): Promise<void> {
    if (Date.now() - this.#searchedAt < SIGN_MS) return;
    const isComplete = await this.#findMissing(this.#memory.name);
    if (isComplete) this.#searchedAt = Date.now();
  }

  /** Makes the Registry call the sessions that only one of the two knows, so that they join again; false if some are left. */
  async #findMissing(hub: string): Promise<boolean> {
    const { seats, leavers } = this.#memory;
    return registryOf(this.env).search(hub, [...seats.keys()], [...leavers.keys()]);
  }

  /** An agent as it is reported to the Registry; undefined if it has left. */
  #row(session: string): AgentRow | undefined {
    const presence = this.#memory.seats.get(session)?.presence;
    const state = this.#seats.get(session)?.busy ? "busy" : "ready";
    return presence && rowOf(presence, this.#tallyOf(session), state);
  }

  #tallyOf(session: string): Tally {
    const known = this.#tallies.get(session) ?? newTally(Date.now());
    this.#tallies.set(session, known);
    return known;
  }

  #onChange(session: string): void {
    if (!this.#memory.seats.has(session)) return;
    this.#tallyOf(session).activeAt = Date.now();
    this.#reports.add(session);
    this.#changed.add(session);
    this.#noting ??= setTimeout(() => this.#noteAll(), NOTE_MS);
  }

  #noteAll(): void {
    this.#noting = null;
    for (const session of this.#changed) if (this.#memory.seats.has(session)) this.#note(session);
    this.#changed.clear();
  }

  /** Saves what is needed after a restart. */
  #note(session: string): void {
    const tally = this.#tallyOf(session);
    const orphans = (this.#orphans.get(session) ?? []).map((subject) => ({ subject }));
    const streams = [...orphans, ...(this.#seats.get(session)?.openStreams ?? [])];
    this.#memory.note(session, { at: tally.activeAt, streams, tally });
  }

  /** Ensures that an alarm is set. Checked in memory, since waiting for the disk would delay all agents. */
  async #arm(): Promise<void> {
    if (this.#isArmed) return;
    this.#isArmed = true;
    try {
      await this.ctx.storage.setAlarm(Date.now() + PERIOD_MS, { allowUnconfirmed: true });
    } catch (thrown) {
      this.#isArmed = false;
      throw thrown;
    }
  }
}
