import { RpcTarget } from "cloudflare:workers";
import type { Part, Sink, TurnEnd, TurnRequest, TurnRunner } from "./bus/turns.ts";
import type { SessionCalls } from "./calls.ts";
import { type Env, sessionOf } from "./env.ts";
import { CUT_OFF, WorkerError } from "./errors.ts";
import type { HubMemory } from "./hub_memory.ts";
import { warn } from "./log.ts";
import type { Outcome } from "./outcome.ts";
import type { Usage } from "./tally.ts";

/** How long a session may take to begin a turn, in milliseconds. */
const BEGIN_TIMEOUT_MS = 30_000;

/** The platform's error messages when it refuses a call between objects, as opposed to failing in it. */
const REFUSAL = /subrequest|depth limit|too many|simultaneous/i;
const NOT_BEGUN = "the session did not begin a turn in time";

/** Calls the sessions of a hub for their turns. */
export class HubTurns implements TurnRunner {
  constructor(
    private readonly env: Env,
    private readonly memory: Pick<HubMemory, "name">,
    /** Called for a session that has no agent any more; with a refusal, the platform does not let the hub call it. */
    private readonly lost: (session: string, refusal?: string) => void,
  ) {}

  turn(session: string, request: TurnRequest, sink: Sink): Promise<TurnEnd> {
    return this.#call(session, sink, (stub, target) => stub.turn(request, target));
  }

  rejoin(session: string, id: string, sink: Sink): Promise<TurnEnd> {
    return this.#call(session, sink, (stub, target) => stub.rejoin(id, target));
  }

  cancel(session: string, id: string): void {
    sessionOf(this.env, session)
      .cancel(id)
      .catch(() => undefined);
  }

  /** If the platform does not let the turn begin in time, the call is given up. */
  async #call(
    session: string,
    sink: Sink,
    call: (stub: SessionCalls, target: Sink) => Promise<TurnEnd | null>,
  ): Promise<TurnEnd> {
    const { promise: never, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(NOT_BEGUN)), BEGIN_TIMEOUT_MS);
    const target = new SinkTarget(sink, () => clearTimeout(timer));
    try {
      const end = await Promise.race([call(sessionOf(this.env, session), target), never]);
      if (end?.isGone) this.lost(session);
      return end ?? { rest: [], fault: CUT_OFF };
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      warn("turn lost", { session, hub: this.memory.name, ...(refusal && { refusal }) });
      if (refusal) this.lost(session, refusal);
      throw new WorkerError(CUT_OFF);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The remote sink that a session calls during a turn. */
class SinkTarget extends RpcTarget implements Sink {
  constructor(
    private readonly sink: Sink,
    private readonly began: () => void,
  ) {
    super();
  }

  parts(parts: readonly Part[], usage?: Usage): Promise<void> {
    this.began();
    return this.sink.parts(parts, usage);
  }

  ask(question: string): Promise<Outcome<string>> {
    this.began();
    return this.sink.ask(question);
  }
}

/** Why the platform does not let the hub call a session; undefined if the session failed. */
function refusalOf(thrown: unknown): string | undefined {
  const message = thrown instanceof Error ? thrown.message : "";
  if (message === NOT_BEGUN) return message;
  return REFUSAL.test(message) ? "the platform refused the hub's call of the session" : undefined;
}
