import { formatCount } from "../../record/format.ts";
import { BufferPanel } from "./buffer-panel.ts";
import { CheckpointPanel } from "./checkpoint-panel.ts";
import { element, setAttribute, setShown, setText } from "./elements.ts";
import { FitnessPanel } from "./fitness-panel.ts";
import { ProblemPanel } from "./problem-panel.ts";
import type { ListedRun } from "./run-list.ts";
import { isTraining, phaseOf, type RunModel } from "./run-model.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";
import type { RunStream } from "./run-stream.ts";
import { bannerOf, describeSessions, phaseWord } from "./run-words.ts";
import { StorePanel } from "./store-panel.ts";
import { SummaryPanel } from "./summary-panel.ts";
import type { Theme } from "./theme.ts";
import { TimeLine } from "./time-line.ts";

/** Everything about one run. */
export class RunPage {
  readonly root: HTMLElement = element("article", { class: "run" });
  readonly #name: HTMLElement = element("h1");
  readonly #phase: HTMLElement = element("span", { class: "phase" });
  readonly #store: HTMLElement = element("p", { class: "store-name" });
  readonly #sessions: HTMLElement = element("p", { class: "note" });
  readonly #bannerTitle: HTMLElement = element("strong");
  readonly #bannerText: HTMLElement = element("p");
  readonly #bannerHint: HTMLElement = element("p", { class: "hint" });
  readonly #banner: HTMLElement;
  readonly #empty: HTMLElement = element("p", { class: "empty" });
  readonly #timeLine: TimeLine;
  readonly #panels: readonly RunPanel[];
  /** What can only be told from a log. */
  readonly #ofLog: readonly HTMLElement[];
  /** Plots without a point would show scales of nothing. */
  readonly #ofGenerations: HTMLElement;
  readonly #body: HTMLElement;
  #shown: { readonly model: RunModel; readonly recordCount: number; readonly hasEnded: boolean } | null = null;

  constructor(theme: Theme) {
    this.#banner = element(
      "div",
      { class: "banner", attributes: { role: "status" } },
      this.#bannerTitle,
      this.#bannerText,
      this.#bannerHint,
    );
    this.#timeLine = new TimeLine(theme);
    const summary = new SummaryPanel();
    const [fitness, buffer, store] = [new FitnessPanel(theme), new BufferPanel(theme), new StorePanel()];
    const [checkpoints, problems] = [new CheckpointPanel(), new ProblemPanel()];
    this.#panels = [summary, fitness, buffer, store, checkpoints, problems];
    const pair = element("div", { class: "pair" }, fitness.root, buffer.root);
    const rest = [checkpoints.root, store.root, problems.root];
    this.#ofLog = [summary.root, this.#timeLine.root, store.root, problems.root];
    this.#ofGenerations = pair;
    this.#body = element("div", { class: "panels" }, summary.root, this.#timeLine.root, pair, ...rest);
    const head = element("header", { class: "run-head" }, element("div", {}, this.#name, this.#phase), this.#store);
    this.root.append(head, this.#sessions, this.#banner, this.#empty, this.#body);
  }

  update(run: ListedRun, stream: RunStream, isRefused: boolean): void {
    const { model, state, lostAtMs, trainerNowMs } = stream;
    const isInTraining = isTraining(model, run.isLive, trainerNowMs);
    const isReading = state === "reading" && !stream.wasRead;
    setText(this.#name, run.name);
    setText(this.#store, run.store);
    setText(this.#phase, isReading ? "reading" : phaseWord(model, isInTraining));
    setAttribute(this.#phase, "data-phase", isReading ? "reading" : phaseOf(model, isInTraining));
    const emptyText = isReading ? describeReading(model) : describeEmpty(run, model, isInTraining);
    setShown(this.#empty, emptyText !== null);
    setText(this.#empty, emptyText ?? "");
    const hasLog = model.firstAtMs !== null;
    setShown(this.#body, !isReading && (hasLog || model.view.checkpoints.length > 0));
    // What is half read would be drawn again and again, each time from its beginning.
    if (isReading) return;
    setText(this.#sessions, describeSessions(model));
    this.#showBanner(bannerOf({ model, isInTraining, streamState: state, lostAtMs, isRefused }));
    for (const part of this.#ofLog) setShown(part, hasLog);
    setShown(this.#ofGenerations, model.view.generations.length > 0);
    this.#updateParts({ model, hasEnded: !isInTraining, isListed: run.isListed, store: run.store }, trainerNowMs);
  }

  redraw(): void {
    this.#timeLine.draw();
    for (const each of this.#panels) each.redraw?.();
  }

  #updateParts(update: RunUpdate, nowMs: number): void {
    const { model, hasEnded } = update;
    if (model.firstAtMs !== null) {
      const newest = model.lastAtMs ?? model.firstAtMs;
      const toMs = hasEnded ? newest : Math.max(newest, nowMs);
      this.#timeLine.update({ model, extent: { fromMs: model.firstAtMs, toMs }, hasEnded });
    }
    // Time goes on without records, and only the time-line shows it.
    if (
      model === this.#shown?.model &&
      model.recordCount === this.#shown.recordCount &&
      hasEnded === this.#shown.hasEnded
    )
      return;
    this.#shown = { model, recordCount: model.recordCount, hasEnded };
    for (const each of this.#panels) updateSafely(each, update);
  }

  #showBanner(banner: ReturnType<typeof bannerOf>): void {
    setShown(this.#banner, banner !== null);
    if (banner === null) return;
    setAttribute(this.#banner, "class", `banner ${banner.tone}`);
    setText(this.#bannerTitle, banner.title);
    setText(this.#bannerText, banner.text);
    setShown(this.#bannerHint, banner.hint !== null);
    setText(this.#bannerHint, banner.hint === null ? "" : `Next step: ${banner.hint}`);
  }
}

/** A part that cannot show what came says so, and takes none of the others along. */
function updateSafely(part: RunPanel, update: RunUpdate): void {
  try {
    part.update(update);
  } catch (error) {
    part.root.replaceChildren(element("p", { class: "empty" }, `This part cannot be shown: ${String(error)}`));
  }
}

function describeReading({ recordCount }: RunModel): string {
  return recordCount === 0 ? "Reading the run …" : `Reading the run: ${formatCount(recordCount)} records so far …`;
}

/** What is said where there is nothing, or too little, to show. */
function describeEmpty(run: ListedRun, model: RunModel, isInTraining: boolean): string | null {
  if (run.error !== null) {
    const { message, hint, code } = run.error;
    const next = hint === null ? "" : ` Next step: ${hint}`;
    return `This run cannot be read: ${message}${code === null ? "" : ` (${code})`}${next}`;
  }
  switch (phaseOf(model, isInTraining)) {
    case "empty":
      return "There is nothing in this store yet: no checkpoint, and no log. A run that trains into it appears here by itself.";
    case "stored":
      return "Only the store's checkpoints are known. The log of the run (logs/metrics.jsonl) lies in the folder where it trained; give that folder to see its time-line.";
    case "training":
      return model.view.generations.length === 0 ? "The first generation is under way." : null;
    default:
      return null;
  }
}
