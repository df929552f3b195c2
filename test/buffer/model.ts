/** One transition as plain numbers. */
export interface ModelRow {
  readonly row: number;
  readonly env: number;
  readonly episodeStart: number;
  readonly reward: number;
  readonly terminated: number;
  readonly truncated: number;
  /** By path: "action", "observation", "nextObservation.camera", "goal", … */
  readonly values: Readonly<Record<string, readonly number[]>>;
}

/** A replay buffer as simple as can be: an array of everything. */
export class ModelBuffer {
  capacity: number;
  rows: ModelRow[] = [];
  added = 0;
  readonly #open = new Set<number>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  add(env: number, reward: number, terminated: boolean, truncated: boolean, values: ModelRow["values"]): void {
    this.rows.push({
      row: this.added,
      env,
      episodeStart: this.#open.has(env) ? 0 : 1,
      reward,
      terminated: Number(terminated),
      truncated: Number(truncated),
      values,
    });
    if (terminated || truncated) this.#open.delete(env);
    else this.#open.add(env);
    this.added += 1;
    this.shrinkTo(this.capacity);
  }

  shrinkTo(capacity: number): void {
    this.capacity = capacity;
    if (this.rows.length > capacity) this.rows = this.rows.slice(-capacity);
  }

  clear(): void {
    this.rows = [];
    this.#open.clear();
  }
}
