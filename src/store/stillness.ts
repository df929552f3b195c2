import type { Socket } from "node:net";
import { type Clock, systemClock } from "../base/clock.ts";
import { repeat } from "../base/timers.ts";
import { movedOn } from "./traffic.ts";

/** For how long nothing has moved on a connection, either way; looks so often that it is wrong by a quarter of a limit. */
export class Stillness {
  readonly #clock: Clock;
  #movedBytes: number;
  #movedAtMs: number;

  constructor(socket: Socket, limitMs: number, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#movedBytes = movedOn(socket);
    this.#movedAtMs = clock.monotonicMs();
    const stop = repeat(limitMs / 4, () => {
      const movedBytes = movedOn(socket);
      if (movedBytes !== this.#movedBytes) this.#movedAtMs = clock.monotonicMs();
      this.#movedBytes = movedBytes;
    });
    socket.once("close", stop);
  }

  /** Never more than it was. */
  get ms(): number {
    return this.#clock.monotonicMs() - this.#movedAtMs;
  }
}
