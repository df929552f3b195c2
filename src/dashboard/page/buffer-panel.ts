import { formatBytes, formatCount } from "../../record/format.ts";
import { element, FactList, panel } from "./elements.ts";
import { Plot } from "./plot.ts";
import { bufferColumns, bufferFacts } from "./plot-columns.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";
import type { Theme } from "./theme.ts";

/** Fill and turnover of the buffer, and what it takes in memory. */
export class BufferPanel implements RunPanel {
  readonly root: HTMLElement;
  readonly #fill: HTMLMeterElement = element("meter", { attributes: { "aria-label": "Fill of the buffer", max: "1" } });
  readonly #facts: FactList = new FactList();
  readonly #plot: Plot;
  #drawn: object | undefined;

  constructor(theme: Theme) {
    this.#plot = new Plot(theme, {
      heightPx: 190,
      ...{ title: "Bytes over generations", xLabel: "generation", formatX: formatCount, formatY: formatBytes },
      hasZero: true,
      series: [
        { label: "logical", colour: "series-4" },
        { label: "resident", colour: "series-1" },
      ],
    });
    this.root = panel("buffer", "Buffer", this.#fill, this.#facts.root, this.#plot.root);
  }

  update({ model }: RunUpdate): void {
    const newest = model.view.generations.at(-1);
    if (newest === undefined || newest === this.#drawn) return;
    this.#drawn = newest;
    const { fill, facts } = bufferFacts(newest);
    this.#fill.value = fill;
    for (const [name, value] of facts) this.#facts.set(name, value);
    const { generation, logicalBytes, residentBytes } = bufferColumns(model.view.generations);
    const words = `Logical ${formatBytes(newest.buffer.logicalBytes)}, resident ${formatBytes(newest.buffer.residentBytes)}.`;
    this.#plot.update([generation, logicalBytes, residentBytes], words);
  }

  redraw(): void {
    this.#plot.redraw();
  }
}
