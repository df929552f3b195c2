import { readFileSync, writeFileSync } from "node:fs";

export const MIB: number = 2 ** 20;

/** Collects garbage, twice with a pause: buffers of dropped threads and messages go with the second. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

/** The highest resident memory since it was made, as the kernel counted it; elsewhere than on Linux, as sampled. */
export class PeakMemory {
  readonly startBytes: number;
  readonly #isExact: boolean;
  #sampled = 0;

  constructor() {
    this.#isExact = process.platform === "linux";
    // Sets the mark that VmHWM keeps back to what is resident now.
    if (this.#isExact) writeFileSync("/proc/self/clear_refs", "5");
    this.startBytes = process.memoryUsage.rss();
    this.sample();
  }

  /** To be called now and then where there is no exact count. */
  sample(): void {
    this.#sampled = Math.max(this.#sampled, process.memoryUsage.rss());
  }

  get peakBytes(): number {
    this.sample();
    if (!this.#isExact) return this.#sampled;
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return Math.max(this.#sampled, Number(match?.[1] ?? 0) * 1024);
  }

  get extraBytes(): number {
    return this.peakBytes - this.startBytes;
  }
}
