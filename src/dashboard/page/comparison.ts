import { formatCount, formatScore } from "../../record/format.ts";
import { COMPARISON_COLUMNS, comparisonCells, comparisonColumns } from "./comparison-rows.ts";
import { button, element, panel, setShown, setText } from "./elements.ts";
import { formatClock, formatTick } from "./page-format.ts";
import { Plot } from "./plot.ts";
import type { ListedRun } from "./run-list.ts";
import { emptyModel } from "./run-model.ts";
import type { RunStreams } from "./run-streams.ts";
import type { ColourName, Theme } from "./theme.ts";

/** More lines than this in one plot tell nothing. */
const COLOURS: readonly ColourName[] = ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"];

/** All runs side by side: a row for each, and their fitness in one plot. */
export class Comparison {
  readonly root: HTMLElement = element("article", { class: "comparison" });
  readonly #streams: RunStreams;
  readonly #theme: Theme;
  readonly #select: (id: string) => void;
  readonly #table: HTMLElement;
  readonly #body: HTMLElement = element("tbody");
  readonly #note: HTMLElement = element("p", { class: "note" });
  #plot: Plot | null = null;
  #plotted: HTMLElement | null = null;
  #runIds = "";
  #shownFor = "";

  constructor(theme: Theme, streams: RunStreams, select: (id: string) => void) {
    this.#theme = theme;
    this.#streams = streams;
    this.#select = select;
    const head = ["Run", ...COMPARISON_COLUMNS].map((name, at) =>
      element("th", { ...(at < 2 ? {} : { class: "number" }), attributes: { scope: "col" } }, name),
    );
    const caption = element("caption", { class: "unseen" }, "All runs");
    const table = element("table", {}, caption, element("thead", {}, element("tr", {}, ...head)), this.#body);
    const region = { tabindex: "0", role: "region", "aria-label": "Table of runs" };
    this.#table = element("div", { class: "scrolled", attributes: region }, table);
    this.root.append(element("h1", {}, "All runs"), panel("runs", "Side by side", this.#table, this.#note));
  }

  update(runs: readonly ListedRun[]): void {
    const models = runs.map(({ id }) => this.#streams.of(id)?.model ?? emptyModel());
    const cells = runs.map((run, index) =>
      comparisonCells(run, models[index] ?? emptyModel(), this.#streams.of(run.id)?.trainerNowMs ?? 0),
    );
    const now = JSON.stringify([runs, cells]);
    if (now === this.#shownFor) return;
    this.#shownFor = now;
    const rows = runs.map((run, index) => this.#row(run, index, cells[index] ?? []));
    this.#body.replaceChildren(...rows);
    setShown(
      this.#note,
      runs.some(({ id }) => !this.#streams.isFollowed(id)),
    );
    setText(this.#note, `Marked with a time are runs as they were then; select one to follow it.`);
    const plotted = models.slice(0, COLOURS.length);
    const { generation, maxByRun } = comparisonColumns(plotted);
    this.#plotOf(runs.slice(0, COLOURS.length)).update([generation, ...maxByRun], describe(runs, cells));
  }

  redraw(): void {
    this.#plot?.redraw();
  }

  #row(run: ListedRun, index: number, cells: readonly string[]): HTMLElement {
    const name = element("th", { attributes: { scope: "row" } });
    const colour = COLOURS[index];
    if (colour !== undefined) name.append(element("span", { class: `swatch ${colour}` }));
    name.append(button(run.name, () => this.#select(run.id), { class: "link" }));
    const readAtMs = this.#streams.isFollowed(run.id) ? null : (this.#streams.of(run.id)?.readAtMs ?? null);
    if (readAtMs !== null) name.append(" ", element("span", { class: "tag" }, formatClock(readAtMs, 1000)));
    return element(
      "tr",
      {},
      name,
      ...cells.map((text, at) => element("td", at === 0 ? {} : { class: "number" }, text)),
    );
  }

  /** The series of a plot are fixed when it is made: other runs are another plot. */
  #plotOf(runs: readonly ListedRun[]): Plot {
    const ids = JSON.stringify(runs.map(({ id, name }) => [id, name]));
    if (this.#plot !== null && ids === this.#runIds) return this.#plot;
    this.#runIds = ids;
    this.#plot = new Plot(this.#theme, {
      heightPx: 320,
      ...{
        title: "Best fitness over generations",
        xLabel: "generation",
        formatX: formatCount,
        formatY: formatScore,
        formatTickY: formatTick,
      },
      series: runs.map(({ name }, index) => ({ label: name, colour: COLOURS[index] ?? "series-1" })),
    });
    this.#plotted?.remove();
    this.#plotted = panel("comparison-fitness", "Fitness", this.#plot.root);
    this.root.append(this.#plotted);
    return this.#plot;
  }
}

function describe(runs: readonly ListedRun[], cells: readonly (readonly string[])[]): string {
  const at = COMPARISON_COLUMNS.indexOf("Fitness max");
  return runs.map(({ name }, index) => `${name}: ${cells[index]?.[at] ?? ""}`).join("; ");
}
