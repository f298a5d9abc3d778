import { Seats } from "./bus/seats.ts";
import type { TurnRunner } from "./bus/turns.ts";
import { NO_SEAT, type SeatView } from "./calls.ts";
import { type Env, hubOf, registryOf } from "./env.ts";
import { CUT_OFF, type Fault, WorkerError } from "./errors.ts";
import { agentsPerHub, validAgentsPerHub } from "./limits.ts";
import { errorDetail, warn } from "./log.ts";
import type { Memory, Place, StoredAgent } from "./memory.ts";
import { unwrap } from "./outcome.ts";
import { presenceOf, rowOf } from "./presence.ts";
import type { Report } from "./session_reports.ts";
import { latest, newTally, type Tally } from "./tally.ts";

/** How long an agent that a hub could not serve keeps its own connection, in milliseconds. */
const APART_MS = 24 * 60 * 60 * 1000;

export const CONNECTING = "it was restarted and is connecting to the bus";

type HubPlace = Extract<Place, { readonly generation: number }>;

/** What happens on the agent's own connection. */
interface HomeEvents {
  /** A stream was opened or ended, or tokens were counted. */
  changed(): void;
  /** The connection was opened or lost, or could not be opened. */
  linked(): void;
}

/**
 * How a session's agent is connected to the bus: through its own connection, or through a seat in a hub, according to
 * AGENTS_PER_HUB. After a deployment that changes the var, the agent leaves its old place before it takes the new one.
 */
export class Home {
  /** What the agent has done; while it has a seat in a hub, what was known when it took the seat. */
  tally: Tally;
  /** Reply subjects of streams that were open when this object was last restarted. */
  #orphans: readonly string[];
  #own: Seats | undefined;

  constructor(
    private readonly memory: Memory,
    private readonly env: Env,
    private readonly runner: TurnRunner,
    private readonly events: HomeEvents,
  ) {
    const { tally, at, streams } = memory.activity;
    this.#orphans = memory.agent ? streams : [];
    this.tally = tally ?? newTally(at);
  }

  /** The seat in a hub, if the agent has one. */
  get hub(): HubPlace | undefined {
    const { place } = this.memory;
    return place?.hub === undefined ? undefined : place;
  }

  /** Reply subjects of the open streams, other than those of a hub. */
  openStreams({ session }: StoredAgent): readonly string[] {
    const own = this.#own?.get(session)?.openStreams ?? [];
    return [...this.#orphans, ...own.map(({ subject }) => subject)];
  }

  /** How the agent is reported to the Registry, and why it is not on the bus; undefined in a hub, which reports it. */
  report(stored: StoredAgent): Report | undefined {
    if (this.hub) return undefined;
    const seat = this.#own?.view(stored.session) ?? NO_SEAT;
    const row = rowOf(presenceOf(stored), this.tally, seat.isBusy ? "busy" : "ready");
    return { row, cause: seat.isPresent ? undefined : (seat.cause ?? CONNECTING) };
  }

  /** How the place differs from AGENTS_PER_HUB. */
  get note(): string | undefined {
    const { place } = this.memory;
    return place?.hub === undefined && place ? `it has its own connection: ${place.cause}` : undefined;
  }

  /**
   * Puts the agent on the bus, and ends the streams that were left open before a restart. Throws WorkerError
   * `bus_unavailable`, `conflict`, `too_large`.
   */
  async enter(stored: StoredAgent, isNew: boolean): Promise<void> {
    const hub = await this.#settle(stored, isNew);
    if (hub && (await this.#join(hub, stored, isNew))) return;
    // An agent that was on the bus before keeps its seat while the bus is unavailable.
    if (!isNew) this.#restore(stored, CUT_OFF);
    await this.#ownSeats(stored).join(presenceOf(stored), isNew, this.tally);
  }

  /** Ends all streams at once, other than those of a hub. */
  stop(stored: StoredAgent): void {
    if (this.#orphans.length > 0) this.#restore(stored, undefined);
    this.#own?.get(stored.session)?.stop();
  }

  /** Takes the agent off the bus. Rejects if its hub cannot be reached; then the agent is still on the bus. */
  async leave({ session }: Pick<StoredAgent, "session">): Promise<void> {
    const { hub } = this;
    if (hub)
      this.tally = latest(this.tally, unwrap(await hubOf(this.env, hub.hub).leave(session, hub.generation)));
    await this.#own?.leave(session);
  }

  /** Records that the agent has lost its seat in a hub; with a cause it stays out of hubs for a while. */
  unseated(cause: string | undefined, ...tallies: readonly (Tally | undefined)[]): void {
    this.memory.place = cause ? { cause, until: Date.now() + APART_MS } : undefined;
    this.tally = latest(this.tally, ...tallies);
  }

  /** What is known about the agent on the bus. */
  async view({ session }: StoredAgent): Promise<SeatView> {
    const { hub } = this;
    if (hub) return (await hubOf(this.env, hub.hub).view(session)) ?? NO_SEAT;
    return { ...(this.#own?.view(session) ?? NO_SEAT), tally: this.tally };
  }

  #ownSeats({ session }: StoredAgent): Seats {
    this.#own ??= new Seats({
      vars: this.env,
      name: () => session,
      shared: false,
      runner: this.runner,
      changed: () => this.events.changed(),
      linked: () => this.events.linked(),
    });
    return this.#own;
  }

  /** Gives the agent its own seat, if it has none, and ends the streams that were left open before a restart. */
  #restore(stored: StoredAgent, fault: Fault | undefined): void {
    const seats = this.#ownSeats(stored);
    const seat = seats.get(stored.session) ?? seats.restore(presenceOf(stored), this.tally);
    for (const subject of this.#orphans) seat.endOrphan(subject, fault);
    this.#forgetOrphans();
  }

  #forgetOrphans(): void {
    const { length } = this.#orphans;
    this.#orphans = [];
    if (length > 0) this.events.changed();
  }

  /** Decides which hub the agent joins; undefined for its own connection. */
  async #settle(stored: StoredAgent, isNew: boolean): Promise<HubPlace | undefined> {
    const { session } = stored;
    const { place } = this.memory;
    // A var out of range refuses starts, and leaves running agents where they are.
    const room = isNew ? agentsPerHub(this.env) : validAgentsPerHub(this.env);
    if (place?.hub !== undefined) {
      if (room !== 1) return place;
      await this.#quit(session, place, undefined);
      return undefined;
    }
    const draft = rowOf(presenceOf(stored), this.tally, "starting");
    const isApart = place !== undefined && place.until > Date.now();
    if (room === undefined || room === 1 || isApart || this.#own?.get(session)) {
      if (isNew) await registryOf(this.env).add(session, draft);
      return undefined;
    }
    const hub = await registryOf(this.env).place(session, room, draft);
    const next = { hub, generation: Date.now() };
    this.memory.place = next;
    return next;
  }

  /** Whether the hub accepted the agent. Otherwise the agent gets its own connection. */
  async #join(hub: HubPlace, stored: StoredAgent, isNew: boolean): Promise<boolean> {
    const { generation } = hub;
    const { tally } = this;
    const orphans = this.#orphans.map((subject) => ({ subject }));
    const newcomer = { generation, isNew, orphans, tally };
    try {
      unwrap(await hubOf(this.env, hub.hub).join(hub.hub, presenceOf(stored), newcomer));
      this.#forgetOrphans();
      return true;
    } catch (thrown) {
      const isOurs = thrown instanceof WorkerError;
      if (isOurs && thrown.fault.code !== "overloaded") throw thrown;
      warn("hub refused", { session: stored.session, hub: hub.hub, ...errorDetail(thrown) });
      const cause = isOurs ? thrown.message : "the platform refused the call of the hub";
      await this.#quit(stored.session, hub, cause);
      return false;
    }
  }

  /** Gives up a seat. A hub that cannot be reached notices at the next prompt, or in its next check. */
  async #quit(session: string, hub: HubPlace, cause: string | undefined): Promise<void> {
    const left = await hubOf(this.env, hub.hub)
      .leave(session, hub.generation)
      .catch(() => undefined);
    const reported = await registryOf(this.env).add(session);
    this.unseated(cause, left?.ok ? left.value : undefined, reported);
  }
}
