import type { Connection } from "./connection.ts";
import { frameOf } from "./frames.ts";
import { HEARTBEAT_S, type Seat } from "./seat.ts";

/** Publishes the heartbeats of seats, each at regular intervals from its own start. */
export class Beats {
  readonly #timers = new Map<Seat, number>();

  constructor(private readonly connection: () => Connection | undefined) {}

  start(seat: Seat): void {
    const beat = () => {
      const connection = this.connection();
      if (connection?.up) this.beat(seat, connection);
    };
    this.#timers.set(seat, setInterval(beat, HEARTBEAT_S * 1000));
  }

  beat(seat: Seat, connection: Connection): void {
    connection.publish(frameOf(seat.subjects.hb, seat.heartbeat()));
  }

  stop(seat: Seat): void {
    clearInterval(this.#timers.get(seat) ?? null);
    this.#timers.delete(seat);
  }
}
