/**
 * Turns "this number is done with", in any order, into "every number up to here is done with", which is what the
 * buffer waits for (rule 2).
 */
export class ReleaseTracker {
  readonly #shared: Int32Array;
  readonly #outstanding = new Set<number>();
  #highest = 0;

  /** @param shared - i32[1], read by the training thread with Atomics */
  constructor(shared: Int32Array) {
    this.#shared = shared;
  }

  /** A number has been handed over; called in ascending order. */
  hold(number: number): void {
    this.#outstanding.add(number);
    this.#highest = Math.max(this.#highest, number);
  }

  /** The last read for this number has been made. */
  release(number: number): void {
    this.#outstanding.delete(number);
    let lowest = this.#highest + 1;
    for (const held of this.#outstanding) lowest = Math.min(lowest, held);
    Atomics.store(this.#shared, 0, lowest - 1);
    Atomics.notify(this.#shared, 0);
  }
}
