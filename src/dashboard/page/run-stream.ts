import type { BrowserTime } from "./browser-time.ts";
import { emptyModel, type RunModel, recordsIn, takeRecords } from "./run-model.ts";
import type { StreamState } from "./run-words.ts";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 15_000;

/**
 * The records of one run as server-sent events. After a lost connection the server tells everything again: what was
 * there is shown until that is complete.
 */
export class RunStream {
  readonly #url: string;
  readonly #time: BrowserTime;
  readonly #onChange: () => void;
  #source: EventSource | null = null;
  #state: StreamState = "closed";
  #model: RunModel = emptyModel();
  /** What a reconnection has told so far; null outside of one. */
  #incoming: RunModel | null = null;
  #retryMs = FIRST_RETRY_MS;
  #callOffRetry: () => void = () => undefined;
  #lostAtMs: number | null = null;
  #readAtMs: number | null = null;
  /** Of the trainer's clock against this one. */
  #clockOffsetMs = 0;

  constructor(runId: string, time: BrowserTime, onChange: () => void) {
    this.#url = `/api/runs/${encodeURIComponent(runId)}/events`;
    this.#time = time;
    this.#onChange = onChange;
  }

  get model(): RunModel {
    return this.#model;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Whether the run was told to its end at least once. */
  get wasRead(): boolean {
    return this.#readAtMs !== null;
  }

  /** When the newest record came, or the run had been told; by this machine's clock. Null before. */
  get readAtMs(): number | null {
    return this.#readAtMs;
  }

  /** By this machine's clock; null while the connection stands. */
  get lostAtMs(): number | null {
    return this.#lostAtMs;
  }

  /** Now, by the clock of whoever wrote the newest record. */
  get trainerNowMs(): number {
    return (this.#lostAtMs ?? this.#time.now()) + this.#clockOffsetMs;
  }

  open(): void {
    if (this.#source !== null) return;
    this.#callOffRetry();
    const source = new EventSource(this.#url);
    this.#source = source;
    if (this.#state === "closed") this.#state = "reading";
    source.addEventListener("reset", () => this.#begin());
    source.addEventListener("records", (event) => this.#take(event.data as string));
    source.addEventListener("ready", () => this.#ready());
    source.addEventListener("error", () => this.#lose());
  }

  close(): void {
    this.#callOffRetry();
    this.#source?.close();
    this.#source = null;
    this.#state = "closed";
    this.#incoming = null;
  }

  #begin(): void {
    const isFirst = this.#model.recordCount === 0;
    if (isFirst) this.#model = emptyModel();
    this.#incoming = isFirst ? this.#model : emptyModel();
  }

  #take(data: string): void {
    const records = recordsIn(data);
    takeRecords(this.#incoming ?? this.#model, records);
    const newest = records.at(-1);
    if (this.#incoming === null && newest !== undefined) this.#clockOffsetMs = newest.atMs - this.#time.now();
    this.#onChange();
  }

  #ready(): void {
    if (this.#incoming !== null) this.#model = this.#incoming;
    this.#incoming = null;
    this.#state = "live";
    this.#readAtMs = this.#time.now();
    this.#lostAtMs = null;
    this.#retryMs = FIRST_RETRY_MS;
    this.#onChange();
  }

  /** EventSource itself gives up for good at the first answer that is no stream, so the tries are ours. */
  #lose(): void {
    this.#source?.close();
    this.#source = null;
    this.#incoming = null;
    this.#state = "lost";
    this.#lostAtMs ??= this.#time.now();
    this.#callOffRetry = this.#time.after(this.#retryMs, () => this.open());
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
    this.#onChange();
  }
}
