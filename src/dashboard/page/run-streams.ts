import type { BrowserTime } from "./browser-time.ts";
import type { ListedRun } from "./run-list.ts";
import { RunStream } from "./run-stream.ts";

/**
 * A browser has six connections to a server over HTTP/1.1, for all its tabs together. Beyond so many, runs are read in
 * turn and not followed; the one that is looked at always is.
 */
const MOST_FOLLOWED = 3;

/** The streams of all runs, of which few are open. */
export class RunStreams {
  readonly #time: BrowserTime;
  readonly #onChange: () => void;
  readonly #streams: Map<string, RunStream> = new Map();
  /** Ids, the one that was asked for last first. */
  #followed: string[] = [];

  constructor(time: BrowserTime, onChange: () => void) {
    this.#time = time;
    this.#onChange = onChange;
  }

  /** Takes over what the server lists now. */
  setRuns(runs: readonly ListedRun[]): void {
    const ids = new Set(runs.map(({ id }) => id));
    for (const [id, stream] of this.#streams) {
      if (ids.has(id)) continue;
      stream.close();
      this.#streams.delete(id);
    }
    this.#followed = this.#followed.filter((id) => ids.has(id));
    for (const { id } of runs) {
      if (!this.#streams.has(id)) this.#streams.set(id, new RunStream(id, this.#time, () => this.#changed(id)));
      if (this.#followed.length < MOST_FOLLOWED && !this.#followed.includes(id)) this.#followed.push(id);
    }
    this.#open();
  }

  follow(id: string): void {
    this.#followed = [id, ...this.#followed.filter((each) => each !== id)].slice(0, MOST_FOLLOWED);
    this.#open();
  }

  of(id: string): RunStream | undefined {
    return this.#streams.get(id);
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Whether what is shown of a run is kept up to date. */
  isFollowed(id: string): boolean {
    return this.#followed.includes(id);
  }

  /** What is followed is open; of the others one at a time, until it was read once. */
  #open(): void {
    const others: RunStream[] = [];
    for (const [id, stream] of this.#streams) {
      if (this.#followed.includes(id)) stream.open();
      else others.push(stream);
    }
    for (const stream of others) if (stream.state === "live" || stream.state === "lost") stream.close();
    if (others.some(({ state }) => state === "reading")) return;
    others.find(({ wasRead }) => !wasRead)?.open();
  }

  #changed(id: string): void {
    if (this.#streams.get(id)?.state === "live" && !this.#followed.includes(id)) this.#open();
    this.#onChange();
  }
}
