/**
 * Checkpoints of one tier that nobody may delete for the moment: whoever does so asks right before each single delete, as
 * a prune may have been planned long before they were chosen.
 */
export class HeldCheckpoints {
  /** With the newest save that there was when it was chosen to be restored. */
  readonly #chosen = new Map<string, number>();
  readonly #pinned = new Map<string, "begun" | "written">();
  readonly #deletes = new Map<string, Promise<void>>();

  /**
   * One that is about to be read: a branch must not lose its root before its own first commit. Also where the restore
   * fails: then until the next commit.
   *
   * @param newestSave - the sequence of the newest save so far
   */
  choose(name: string, newestSave: number): void {
    this.#chosen.set(name, newestSave);
  }

  /** A save was committed here: what was chosen before it was asked for is no longer needed. */
  noteCommit(sequence: number): void {
    for (const [name, newestSave] of this.#chosen) if (newestSave < sequence) this.#chosen.delete(name);
  }

  /**
   * From before a pin is written. Resolves when no delete of it is under way any more, so that whoever then looks for it
   * knows whether it is there.
   */
  async beginPin(name: string): Promise<void> {
    this.#pinned.set(name, "begun");
    await Promise.allSettled([this.#deletes.get(name)]);
  }

  /** @param isWritten - then it is held until the next plan, which lists the pins; else no longer */
  endPin(name: string, isWritten: boolean): void {
    if (!isWritten) this.#pinned.delete(name);
    else if (this.#pinned.has(name)) this.#pinned.set(name, "written");
  }

  unpin(name: string): void {
    this.#pinned.delete(name);
  }

  /** Runs what lists the pins for a new plan: those that were written before need not be held besides. */
  async whilePinsAreListed<T>(list: () => Promise<T>): Promise<T> {
    const written = [...this.#pinned].filter(([, state]) => state === "written");
    const listed = await list();
    for (const [name] of written) this.#pinned.delete(name);
    return listed;
  }

  /** Of one that is not held: whoever pins it meanwhile waits for that. */
  async noteDelete(name: string, deleted: Promise<void>): Promise<void> {
    this.#deletes.set(name, deleted);
    try {
      await deleted;
    } finally {
      this.#deletes.delete(name);
    }
  }

  has(name: string): boolean {
    return this.#chosen.has(name) || this.#pinned.has(name);
  }

  get names(): ReadonlySet<string> {
    return new Set([...this.#chosen.keys(), ...this.#pinned.keys()]);
  }
}
