import { repeat } from "../base/timers.ts";
import { type Dashboard, startDashboard } from "../dashboard/dashboard.ts";
import type { Store } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { describeError } from "./error-report.ts";
import type { RecordListener } from "./train-recorder.ts";

/** How often whoever looks is told how saving stands; each takes about 20 µs of the training thread. */
const STATUS_MS = 250;

/** Of the file and the flags: the port, 0 for any that is free; null where no dashboard is asked for. */
export function portOf(asked: boolean | number | undefined): number | null {
  if (asked === undefined || asked === false) return null;
  return asked === true ? 0 : asked;
}

/** The dashboard of a run that trains. Whatever goes wrong with it is told, and training goes on. */
export class TrainDashboard {
  readonly #output: ConsoleOutput;
  readonly #run: { readonly store: string | Store; readonly local: string | undefined; readonly port: number };
  #dashboard: Dashboard | null = null;
  #stopWatching: () => void = () => undefined;

  constructor(output: ConsoleOutput, run: { store: string | Store; local: string | undefined; port: number }) {
    this.#output = output;
    this.#run = run;
  }

  /** @returns who is to be told of every record; null where there is no dashboard after all */
  async start(): Promise<RecordListener | null> {
    const { store, local, port } = this.#run;
    const onLost = (error: Error): void => {
      this.#output.warn(`WARNING: ${describeError(error)}\n  Training goes on without it.`);
      this.#stopWatching();
    };
    try {
      const dashboard = await startDashboard({ runs: [{ store, local, isLive: true }], port, onLost });
      this.#dashboard = dashboard;
      // Asked for, and found nowhere else: so it is told with --quiet too.
      const line = `Dashboard: ${dashboard.urlWithToken}`;
      if (this.#output.quiet) this.#output.warn(line);
      else this.#output.message(line);
      return (record) => dashboard.record(record);
    } catch (error) {
      this.#output.warn(`WARNING: ${describeError(error)}\n  Training goes on without a dashboard.`);
      return null;
    }
  }

  /** @param tellStatus - called several times a second, whenever the training thread yields */
  watch(tellStatus: () => void): void {
    if (this.#dashboard !== null) this.#stopWatching = repeat(STATUS_MS, tellStatus);
  }

  async close(): Promise<void> {
    this.#stopWatching();
    await this.#dashboard?.close();
  }
}
