/** A place in the order of those who want the same names. */
export interface Place {
  /** Resolves when all who came before have left. */
  readonly turn: Promise<void>;
  /** Lets the next one go on; also allowed before one's turn, for who gives up waiting. */
  readonly leave: () => void;
}

/** Lets those who want the same name go one after the other, in the order of arrival. */
export class KeyLanes {
  readonly #tails = new Map<string, Promise<void>>();

  /** All names at once: two who want the same ones in another order cannot wait for each other. */
  enter(...names: readonly string[]): Place {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    const turn = Promise.all(names.map((name) => this.last(name))).then(() => undefined);
    const tail = turn.then(() => left);
    for (const name of names) {
      this.#tails.set(name, tail);
      void tail.then(() => {
        if (this.#tails.get(name) === tail) this.#tails.delete(name);
      });
    }
    return { turn, leave };
  }

  /** Resolves when all who want this name by now have left. */
  last(name: string): Promise<void> {
    return this.#tails.get(name) ?? Promise.resolve();
  }

  /** Names that begin so, and that somebody has not left yet. */
  namesFrom(beginning: string): readonly string[] {
    return [...this.#tails.keys()].filter((name) => name.startsWith(beginning));
  }

  /** Does something in its turn. */
  async run<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
    const { turn, leave } = this.enter(name);
    await turn;
    try {
      return await work();
    } finally {
      leave();
    }
  }
}
