import { formatCount, formatScore } from "../../record/format.ts";
import { panel } from "./elements.ts";
import { formatTick } from "./page-format.ts";
import { Plot } from "./plot.ts";
import { describeFitness, fitnessColumns } from "./plot-columns.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";
import type { Theme } from "./theme.ts";

/** Fitness of the population, and validation, over generations. */
export class FitnessPanel implements RunPanel {
  readonly root: HTMLElement;
  readonly #plot: Plot;
  /** The newest record that is drawn. */
  #drawn: object | undefined;

  constructor(theme: Theme) {
    this.#plot = new Plot(theme, {
      heightPx: 352,
      ...{
        title: "Fitness over generations",
        xLabel: "generation",
        formatX: formatCount,
        formatY: formatScore,
        formatTickY: formatTick,
      },
      series: [
        { label: "mean", colour: "series-1" },
        { label: "mean + spread", colour: "series-1", isEdge: true },
        { label: "mean − spread", colour: "series-1", isEdge: true },
        { label: "max", colour: "series-2" },
        { label: "validation", colour: "series-3", isPoints: true, isOutOfRange: true },
        { label: "spread", colour: "series-1", isOnlyRead: true },
      ],
    });
    this.root = panel("fitness", "Fitness", this.#plot.root);
  }

  update({ model }: RunUpdate): void {
    const { generations } = model.view;
    const newest = generations.at(-1);
    if (newest === this.#drawn) return;
    this.#drawn = newest;
    const { generation, mean, high, low, max, validation, spread } = fitnessColumns(generations);
    this.#plot.update([generation, mean, high, low, max, validation, spread], describeFitness(generations));
  }

  redraw(): void {
    this.#plot.redraw();
  }
}
