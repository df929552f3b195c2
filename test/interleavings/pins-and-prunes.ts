/** A pin on its way. */
export interface PinUnderWay {
  readonly acknowledge: (checkpoint: string) => void;
  readonly end: () => void;
}

/**
 * Which pins must hold. Those of the process that prunes always do; of another one only where no prune was under way
 * between the call of `pin` and its answer: a prune lists the pins once, when it is planned.
 */
export class PinsAndPrunes {
  readonly #prunes: string[] = [];
  readonly #underWay = new Set<{ readonly by: string; isContested: boolean }>();
  readonly #held = new Set<string>();

  held(): ReadonlySet<string> {
    return this.#held;
  }

  beginPin(by: string): PinUnderWay {
    const pin = { by, isContested: this.#prunes.some((pruner) => pruner !== by) };
    this.#underWay.add(pin);
    return {
      acknowledge: (checkpoint) => {
        if (!pin.isContested) this.#held.add(checkpoint);
      },
      end: () => this.#underWay.delete(pin),
    };
  }

  async duringPrune<T>(by: string, prune: () => Promise<T>): Promise<T> {
    this.#prunes.push(by);
    for (const pin of this.#underWay) if (pin.by !== by) pin.isContested = true;
    try {
      return await prune();
    } finally {
      this.#prunes.splice(this.#prunes.indexOf(by), 1);
    }
  }
}
