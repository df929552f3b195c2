import { barAt, type PriceTable } from "./price-table.ts";

const MIN_COEFFICIENT = 1;
const MIN_TARGET_PERCENT = 10;
const MAX_TARGET_PERCENT = 50;
const LOSS_FACTOR = 10;
const HUNDRED_PERCENT = 100;

interface Position {
  readonly entryPrice: number;
  readonly entryDay: number;
  readonly coefficient: number;
  readonly targetPercent: number;
}

/** The open positions of one episode, at most one per instrument, and the rules by which they open and close. */
export class Positions {
  readonly #prices: PriceTable;
  readonly #holdingDays: number;
  readonly #open = new Map<number, Position>();
  #trades = 0;

  /** @param holdingDays - a position that did not reach its target is sold after so many days */
  constructor(prices: PriceTable, holdingDays: number) {
    this.#prices = prices;
    this.#holdingDays = holdingDays;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Positions opened since the last `clear`. */
  get trades(): number {
    return this.#trades;
  }

  clear(): void {
    this.#open.clear();
    this.#trades = 0;
  }

  /**
   * Closes what is due on a day, before that day's action.
   *
   * @returns the sum over closed positions of coefficient × gain in %, losses × 10
   */
  close(day: number): number {
    let reward = 0;
    for (const [instrument, position] of this.#open) {
      const gain = this.#exitGain(day, instrument, position);
      if (gain === null) continue;
      reward += position.coefficient * gain * (gain < 0 ? LOSS_FACTOR : 1);
      this.#open.delete(instrument);
    }
    return reward;
  }

  /**
   * Opens at most one position, at the day's close: in the instrument with the highest coefficient (the first of
   * equals), if that is >= 1, its price is known and it is not held already. The second best never moves up.
   *
   * @param action - [instruments × 2]: coefficient, sale target in %, clipped to 10..50
   */
  open(day: number, action: Float32Array): void {
    let best = -1;
    let coefficient = Number.NEGATIVE_INFINITY;
    for (let instrument = 0; instrument < this.#prices.instruments.length; instrument += 1) {
      const candidate = action[2 * instrument] as number;
      if (candidate > coefficient) {
        best = instrument;
        coefficient = candidate;
      }
    }
    if (!(coefficient >= MIN_COEFFICIENT) || this.#open.has(best)) return;
    const bar = barAt(this.#prices, day, best);
    if (bar === null) return;
    const target = action[2 * best + 1] as number;
    // Written so that NaN becomes the smallest target.
    const targetPercent = target > MIN_TARGET_PERCENT ? Math.min(target, MAX_TARGET_PERCENT) : MIN_TARGET_PERCENT;
    this.#open.set(best, { entryPrice: bar.close, entryDay: day, coefficient, targetPercent });
    this.#trades += 1;
  }

  /** The gain in % at which a position is sold on a day, or null where it is kept. */
  #exitGain(day: number, instrument: number, position: Position): number | null {
    const bar = barAt(this.#prices, day, instrument);
    if (bar === null) return 0; // missing data: sold at its entry price
    // Multiplied rather than divided: 100 × 1.1 is more than 110 in floating point, and a high of 110 would miss it.
    const isReached = bar.high * HUNDRED_PERCENT >= position.entryPrice * (HUNDRED_PERCENT + position.targetPercent);
    // Sold at the target itself, also where the day opened above it.
    if (isReached) return position.targetPercent;
    if (day - position.entryDay < this.#holdingDays) return null;
    return HUNDRED_PERCENT * (bar.close / position.entryPrice - 1);
  }
}
