import type { Share } from "../budget.ts";
import { type Fault, faultOf, WorkerError } from "../errors.ts";
import { limitOrDefault } from "../limits.ts";
import { warn } from "../log.ts";
import type { Tally } from "../tally.ts";
import type { Vars } from "../vars.ts";
import { Beats } from "./beats.ts";
import { Connection, deniedFault, isUpToOperator, lostFault, TOO_FEW_SUBSCRIPTIONS } from "./connection.ts";
import { Discovery, sizeOfInfo } from "./discovery.ts";
import { busOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { Rival, requireDelivery, requireUnknown } from "./proof.ts";
import { type Presence, Seat, type SeatContext } from "./seat.ts";
import type { TurnRunner } from "./turns.ts";

/** The delay before another attempt to reach the bus, in milliseconds: doubled each time, up to the maximum. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 4_000;
/** The same while the bus refuses what only its operator can allow. */
const MAX_REFUSED_RETRY_MS = 15_000;
/** How long the ends of streams are held back for an absent bus after their agents have left, in milliseconds. */
const FAREWELL_MS = 60_000;
const TOO_LONG: Fault = {
  code: "too_large",
  message: "labels and description are too long for one message of this bus",
};

export interface SeatsOptions {
  readonly vars: Vars;
  /** The name of the connection on the bus. */
  readonly name: () => string;
  /** Whether one set of subscriptions serves the discovery of all seats. */
  readonly shared: boolean;
  readonly runner: TurnRunner;
  /** Called after a stream of the session was opened or ended, or tokens were counted. */
  readonly changed: (session: string) => void;
  /** Called after the connection was opened or lost, or could not be opened. */
  readonly linked?: () => void;
  /** Called when the bus accepts fewer subscriptions than these agents need. */
  readonly crowded?: () => void;
  /** Called when the bus refuses the subjects of these agents, and not those of the others. */
  readonly refused?: (sessions: readonly string[], cause: Fault) => void;
}

/**
 * The agents on one connection to the bus. The connection is opened for the first of them, replaced whenever it is lost,
 * and closed after the last.
 */
export class Seats {
  readonly #seats = new Map<string, Seat>();
  readonly #outbox = new Outbox((share) => this.#onReleased(share));
  readonly #beats = new Beats(() => this.#connection);
  readonly #discovery: Discovery;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #reopening = false;
  /** How many agents are joining. */
  #joining = 0;
  #wasLost = false;
  /** Until when ends are held back for agents that have left, in milliseconds since 1970. */
  #farewellUntil = 0;
  #cause: string | undefined;
  /** Agents among others whose subjects the bus has refused just now. */
  readonly #refused = new Set<Seat>();
  readonly #newcomers = new Set<Seat>();

  readonly #seatContext: SeatContext;

  constructor(private readonly options: SeatsOptions) {
    const { runner, changed, vars, shared } = options;
    this.#discovery = new Discovery(this.#seats, shared);
    const queryLimitS = () => limitOrDefault(vars, "AGENT_QUERY_LIMIT_S");
    this.#seatContext = { outbox: this.#outbox, runner, changed, queryLimitS };
  }

  /** Whether the agents are on the bus, as far as known. */
  get up(): boolean {
    return this.#connection?.up === true;
  }

  /** Why the agents are not on the bus. */
  get cause(): string | undefined {
    return this.#cause;
  }

  get(session: string): Seat | undefined {
    return this.#seats.get(session);
  }

  /** What is known here about an agent. */
  view(session: string) {
    const seat = this.#seats.get(session);
    return {
      instanceId: seat?.instanceId ?? "",
      isPresent: this.up && seat !== undefined,
      isBusy: seat?.busy === true,
      ...(this.#cause && { cause: this.#cause }),
    };
  }

  /** Restores an agent's seat after a restart; `check` then puts it on the bus. */
  restore(presence: Presence, tally: Tally): Seat {
    const seat = new Seat(presence, tally, this.#seatContext);
    this.#seats.set(seat.session, seat);
    this.#beats.start(seat);
    return seat;
  }

  /**
   * Puts an agent on the bus, and verifies that it is there. Throws WorkerError `bus_unavailable`, `too_large`, or, for one
   * that is new to the bus, `conflict` when its name is taken.
   */
  async join(presence: Presence, isNew: boolean, tally: Tally): Promise<Seat> {
    const known = this.#seats.get(presence.identity.session);
    if (known) {
      await this.check();
      return known;
    }
    this.#joining += 1;
    try {
      return await this.#join(presence, isNew, tally);
    } catch (thrown) {
      const error = busError(thrown);
      this.#explain(error.message);
      throw error;
    } finally {
      this.#joining -= 1;
      if (this.#isDeserted) this.#drop();
    }
  }

  /** Ends all streams of an agent and takes it off the bus. */
  async leave(session: string): Promise<void> {
    const seat = this.#seats.get(session);
    seat?.stop();
    await this.#opening?.catch(() => undefined);
    if (seat) {
      seat.stop();
      this.#remove(seat);
    }
    this.#takeLeave();
    if (this.#isDeserted) await this.#close();
    else await this.#connection?.alive();
  }

  /** Ends all streams of agents and takes them off the bus, without waiting for it. */
  expel(sessions: readonly string[]): void {
    for (const session of sessions) {
      const seat = this.#seats.get(session);
      if (seat === undefined) continue;
      seat.stop();
      this.#remove(seat);
    }
    this.#takeLeave();
    if (this.#isDeserted) void this.#close();
  }

  /** Makes sure that the bus answers, and connects again if it does not. Throws WorkerError `bus_unavailable`. */
  async check(): Promise<void> {
    const connection = this.#connection;
    if (connection && (await connection.alive())) return;
    if (connection === this.#connection) this.#drop();
    await this.#connected();
  }

  async #join(presence: Presence, isNew: boolean, tally: Tally): Promise<Seat> {
    const connection = await this.#connected();
    const seat = new Seat(presence, tally, this.#seatContext);
    const complaints = connection.complaints;
    const rival = isNew ? new Rival(connection, seat.subjects.hb, seat.instanceId) : undefined;
    this.#newcomers.add(seat);
    try {
      const mayAsk = isNew && (await requireUnknown(connection, seat));
      this.#seats.set(seat.session, seat);
      this.#attach(connection, seat);
      this.#beats.start(seat);
      if (sizeOfInfo(seat) > connection.maxPayload / 2) throw new WorkerError(TOO_LONG);
      await rival?.requireNone();
      await connection.prove(complaints);
      if (this.#refused.has(seat)) throw new WorkerError(deniedFault());
      if (mayAsk) await requireDelivery(connection, seat);
    } catch (thrown) {
      rival?.forget();
      this.#remove(seat);
      const isCrowded = this.#seats.size > 0 && faultOf(thrown).message === TOO_FEW_SUBSCRIPTIONS;
      throw isCrowded ? new WorkerError({ code: "overloaded", message: TOO_FEW_SUBSCRIPTIONS }) : thrown;
    } finally {
      this.#newcomers.delete(seat);
      this.#refused.delete(seat);
    }
    return seat;
  }

  #attach(connection: Connection, seat: Seat): void {
    seat.attach(connection);
    this.#discovery.add(connection, seat);
    this.#beats.beat(seat, connection);
  }

  #remove(seat: Seat): void {
    this.#seats.delete(seat.session);
    this.#beats.stop(seat);
    seat.detach();
    this.#discovery.remove(seat);
  }

  #connected(): Promise<Connection> {
    if (this.#connection?.up) return Promise.resolve(this.#connection);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    try {
      const { vars, name } = this.options;
      const connection: Connection = await Connection.open(busOptions(vars), name(), {
        lost: (cause) => this.#lost(connection, cause),
        denied: (subject) => this.#onDenied(connection, subject),
      });
      await this.#register(connection);
      this.#connection = connection;
      this.#outbox.attach(connection, !this.#wasLost);
      this.#wasLost = false;
      this.#explain(undefined);
      return connection;
    } catch (thrown) {
      // Callers have lost their connections too.
      this.#wasLost ||= this.#seats.size > 0;
      const error = busError(thrown);
      this.#explain(error.message);
      throw error;
    }
  }

  /** Puts all agents on a new connection, and verifies that they are there. */
  async #register(connection: Connection): Promise<void> {
    const complaints = connection.complaints;
    try {
      this.#discovery.attach(connection);
      for (const seat of this.#seats.values()) this.#attach(connection, seat);
      await connection.prove(complaints);
      if (this.#areAllRefused) throw new WorkerError(deniedFault());
    } catch (thrown) {
      connection.drop();
      if (this.#seats.size > 1 && faultOf(thrown).message === TOO_FEW_SUBSCRIPTIONS) this.options.crowded?.();
      throw thrown;
    }
  }

  #lost(connection: Connection, cause: Fault): void {
    if (connection !== this.#connection) return;
    this.#explain(cause.message);
    this.#drop();
    void this.#reopen();
  }

  /** One agent that the bus refuses must not cost the others their connection. */
  #onDenied(connection: Connection, subject: string): boolean {
    const seat = [...this.#seats.values()].find((one) => one.uses(subject));
    if (seat === undefined || this.#seats.size === 1) return false;
    this.#refused.add(seat);
    void connection.processed().then(() => this.#dismissRefused(connection));
    return true;
  }

  #dismissRefused(connection: Connection): void {
    const areAll = this.#areAllRefused;
    // The start of a newcomer fails instead.
    const refused = [...this.#refused].filter(
      (seat) => this.#seats.get(seat.session) === seat && !this.#newcomers.has(seat),
    );
    for (const seat of refused) this.#refused.delete(seat);
    if (areAll) this.#lost(connection, deniedFault());
    else if (refused.length > 0)
      this.options.refused?.(
        refused.map(({ session }) => session),
        deniedFault(),
      );
  }

  get #areAllRefused(): boolean {
    return this.#refused.size > 0 && [...this.#seats.values()].every((seat) => this.#refused.has(seat));
  }

  /** Streams whose end was held back are no longer open. */
  #onReleased(share: Share): void {
    for (const seat of this.#seats.values()) if (seat.share === share) this.options.changed(seat.session);
    if (this.#farewellUntil === 0 || !this.#isDeserted) return;
    this.#farewellUntil = 0;
    void this.#close();
  }

  /** While the bus is away, holds back the ends of the streams of agents that have left until it and the callers are back. */
  #takeLeave(): void {
    if (this.#seats.size > 0 || !this.#outbox.isHolding) return;
    this.#farewellUntil = Date.now() + FAREWELL_MS;
    if (this.up) return;
    this.#wasLost = true;
    void this.#reopen();
  }

  get #isTakingLeave(): boolean {
    return this.#outbox.isHolding && Date.now() < this.#farewellUntil;
  }

  /** Retries until the agents are on the bus again. */
  async #reopen(): Promise<void> {
    if (this.#reopening) return;
    this.#reopening = true;
    try {
      let logged: string | undefined;
      let retryMs = RETRY_MS;
      while ((this.#seats.size > 0 || this.#isTakingLeave) && !this.up) {
        const fault = await this.#connected().then(() => undefined, faultOf);
        if (fault === undefined) return;
        const { message: cause } = fault;
        if (cause !== logged) warn("bus unavailable", { connection: this.options.name(), cause });
        logged = cause;
        // Random, so that a thousand agents do not all retry at the same time.
        await scheduler.wait(retryMs * (0.5 + Math.random()));
        retryMs = Math.min(2 * retryMs, isUpToOperator(fault) ? MAX_REFUSED_RETRY_MS : MAX_RETRY_MS);
      }
    } finally {
      this.#reopening = false;
    }
  }

  #explain(cause: string | undefined): void {
    this.#cause = cause;
    this.options.linked?.();
  }

  /** Drops the connection; frames are held back for the next one. */
  #drop(): void {
    this.#wasLost ||= this.#connection !== undefined && (this.#seats.size > 0 || this.#isTakingLeave);
    this.#connection?.drop();
    this.#connection = undefined;
    this.#outbox.detach();
  }

  /** Whether no agent and no caller needs the connection. */
  get #isDeserted(): boolean {
    return this.#seats.size === 0 && this.#joining === 0 && !this.#isTakingLeave;
  }

  /** An agent that joins meanwhile opens another connection. */
  async #close(): Promise<void> {
    this.#outbox.release();
    const connection = this.#connection;
    this.#connection = undefined;
    this.#wasLost = false;
    this.#outbox.detach();
    await connection?.close();
  }
}

/** An error of any other kind comes from a connection that ended in the meantime. */
function busError(thrown: unknown): WorkerError {
  return thrown instanceof WorkerError ? thrown : new WorkerError(lostFault());
}
