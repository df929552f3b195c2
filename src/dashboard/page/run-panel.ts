import type { RunModel } from "./run-model.ts";

/** What a part of the page is told at an update. */
export interface RunUpdate {
  readonly model: RunModel;
  /** Whether nothing more can come of the run, as far as this server knows. */
  readonly hasEnded: boolean;
  /** Whether the run's checkpoints are looked up, so that the log is not all that there is to know. */
  readonly isListed: boolean;
  /** URL of the run's store. */
  readonly store: string;
}

/** A part of a run's page. Its update touches the document only where something changed. */
export interface RunPanel {
  readonly root: HTMLElement;
  update(update: RunUpdate): void;
  /** After a change between light and dark; for what draws. */
  redraw?(): void;
}
