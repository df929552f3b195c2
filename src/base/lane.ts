/** Runs one thing after another, in the order in which they were asked for. One that fails does not hold up the next. */
export class Lane {
  #last: Promise<void> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** Resolves when all that was asked for so far has been done, or has failed. */
  done(): Promise<void> {
    return this.#last;
  }
}
