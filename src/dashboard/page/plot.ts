import type uPlotType from "uplot";
import { element, setAttribute, setText } from "./elements.ts";
import type { ColourName, Theme } from "./theme.ts";

/** index.html loads the library's own script, which leaves its class here. */
declare const uPlot: typeof uPlotType;

export interface PlotSeries {
  readonly label: string;
  readonly colour: ColourName;
  /** Marks at its points, with a thin line between them: for values that not every x has. */
  readonly isPoints?: boolean;
  /** The y axis does not follow it: where it is far off, the others would be a flat line. */
  readonly isOutOfRange?: boolean;
  /** Not drawn itself: an edge of a band around the series before it, and not in the legend. */
  readonly isEdge?: boolean;
  /** Its values are read, and not drawn: they are of another scale. */
  readonly isOnlyRead?: boolean;
}

export interface PlotOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly PlotSeries[];
  readonly formatY: (value: number) => string;
  readonly formatX: (value: number) => string;
  /** At the axis, where it differs. */
  readonly formatTickY?: (value: number) => string;
  readonly heightPx: number;
  /** The y axis begins at 0. */
  readonly hasZero?: boolean;
}

/** x, then one column for each series, all as long; null where a series has no value. */
export type PlotData = readonly [x: readonly number[], ...(readonly (readonly (number | null)[])[])];

const AXIS_PX = 56;
/** Between the marks of x, which counts generations. */
const WHOLE_STEPS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000].flatMap((step) => [step, 2 * step, 5 * step]);
/** Over more x than this, marks of points run into each other, and are most of the work of drawing. */
const MOST_MARKED = 150;

/**
 * Lines over a common x. The legend has the newest values, or those under the cursor, which a pointer moves, and the
 * arrow keys.
 */
export class Plot {
  readonly root: HTMLElement;
  readonly #options: PlotOptions;
  readonly #theme: Theme;
  readonly #host: HTMLElement;
  readonly #values: readonly HTMLElement[];
  readonly #at: HTMLElement = element("span", { class: "at" });
  #plot: uPlotType | null = null;
  #data: PlotData = [[]];

  constructor(theme: Theme, options: PlotOptions) {
    this.#theme = theme;
    this.#options = options;
    this.#host = element("div", { class: "plot-host", attributes: { role: "img", tabindex: "0" } });
    const shown = options.series.filter(({ isEdge }) => isEdge !== true);
    this.#values = shown.map(() => element("b"));
    const legend = shown.map(({ label, colour, isOnlyRead }, index) => {
      const value = this.#values[index] ?? "";
      const swatch = element("span", { class: `swatch ${colour}${isOnlyRead === true ? " pale" : ""}` });
      return element("li", {}, swatch, `${label} `, value);
    });
    this.root = element(
      "figure",
      { class: "plot" },
      element(
        "figcaption",
        {},
        element("h3", {}, options.title),
        element("ul", { class: "legend" }, ...legend, this.#at),
      ),
      this.#host,
    );
    this.#host.style.minHeight = `${options.heightPx}px`;
    this.#host.addEventListener("keydown", (event) => this.#moveCursor(event));
    new ResizeObserver(() => this.#resize()).observe(this.#host);
  }

  /** @param words - what the plot shows, for who cannot see it */
  update(data: PlotData, words: string): void {
    const zoom = this.#zoom();
    this.#data = data;
    setAttribute(this.#host, "aria-label", `${this.#options.title}. ${words}`);
    this.#plot ??= this.#create();
    this.#plot?.setData(data as uPlotType.AlignedData, zoom === null);
    if (zoom !== null) this.#plot?.setScale("x", zoom);
    this.#showValues();
  }

  /** What a reader chose to see, which new data must not undo; null for all. */
  #zoom(): { readonly min: number; readonly max: number } | null {
    const { min, max } = this.#plot?.scales["x"] ?? {};
    const [first, last] = [this.#data[0][0], this.#data[0].at(-1)];
    if (min === undefined || max === undefined || first === undefined || last === undefined) return null;
    return min > first || max < last ? { min, max } : null;
  }

  /** After a change of colours. */
  redraw(): void {
    this.#plot?.redraw(false);
  }

  #resize(): void {
    const width = this.#host.clientWidth;
    if (width === 0) return;
    if (this.#plot === null) this.#plot = this.#create();
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: this.#options.heightPx });
  }

  /** A plot that is not on the page yet has no width to be drawn in. */
  #create(): uPlotType | null {
    const width = this.#host.clientWidth;
    if (width === 0) return null;
    const options: uPlotType.Options = {
      ...{ width, height: this.#options.heightPx, padding: [8, 18, 0, 0], legend: { show: false } },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false, setScale: true } },
      scales: { x: { time: false }, y: { range: (_plot, min, max) => this.#rangeOfY(min, max) } },
      axes: [
        { ...this.#axis(this.#options.formatX, 34), incrs: WHOLE_STEPS },
        this.#axis(this.#options.formatTickY ?? this.#options.formatY, AXIS_PX),
      ],
      series: [{}, ...this.#options.series.map((series) => this.#seriesOptions(series))],
      bands: this.#bands(),
      // Only what is drawn has a range, and what lies outside of it is said.
      hooks: { setCursor: [() => this.#showValues()], draw: [() => this.#showValues()] },
    };
    return new uPlot(options, this.#data as uPlotType.AlignedData, this.#host);
  }

  #rangeOfY(min: number | null, max: number | null): [number, number] {
    if (min === null || max === null) return [0, 1];
    const low = this.#options.hasZero === true ? Math.min(0, min) : min;
    const room = (max - low || Math.abs(max) || 1) * 0.06;
    return [low === 0 ? 0 : low - room, max + room];
  }

  #axis(format: (value: number) => string, size: number): uPlotType.Axis {
    return {
      ...{ size, font: `11px ${this.#theme.font}`, gap: 6, stroke: () => this.#theme.colour("muted") },
      grid: { stroke: () => this.#theme.colour("grid"), width: 1 },
      ticks: { show: false },
      values: (_plot, splits) => splits.map((value) => (value === null ? "" : format(value))),
    };
  }

  #seriesOptions({ colour, isPoints, isEdge, isOnlyRead, isOutOfRange }: PlotSeries): uPlotType.Series {
    if (isOnlyRead === true) return { show: false };
    const stroke = () => this.#theme.colour(colour);
    if (isEdge === true) return { stroke, width: 0, points: { show: false } };
    if (isPoints !== true) return { stroke, width: 1.6, points: { show: false } };
    const show = (_plot: uPlotType, _series: number, from: number, to: number) => to - from <= MOST_MARKED;
    const auto = isOutOfRange !== true;
    return { stroke, auto, width: 1, spanGaps: true, points: { show, size: 5, fill: stroke } };
  }

  /** Two edges in a row enclose a band. */
  #bands(): uPlotType.Band[] {
    const { series } = this.#options;
    return series.flatMap(({ isEdge, colour }, index) => {
      if (isEdge !== true || series[index + 1]?.isEdge !== true) return [];
      return [{ series: [index + 1, index + 2], fill: () => this.#theme.tint(colour, 0.16) }];
    });
  }

  #moveCursor(event: KeyboardEvent): void {
    const plot = this.#plot;
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (plot === null || step === 0) return;
    event.preventDefault();
    const last = this.#data[0].length - 1;
    const index = Math.min(last, Math.max(0, (plot.cursor.idx ?? last + (step < 0 ? 1 : 0)) + step));
    plot.setCursor({ left: plot.valToPos(this.#data[0][index] ?? 0, "x"), top: 1 });
  }

  #showValues(): void {
    const { series, formatX, formatY, xLabel } = this.#options;
    const cursor = this.#plot?.cursor.idx ?? null;
    setText(this.#at, cursor === null ? "" : `${xLabel} ${formatX(this.#data[0][cursor] ?? 0)}`);
    let at = 0;
    const { min = null, max = null } = this.#plot?.scales["y"] ?? {};
    series.forEach(({ isEdge, isOutOfRange }, index) => {
      if (isEdge === true) return;
      const column = this.#data[index + 1] ?? [];
      const value = cursor === null ? column.findLast((each) => each !== null) : column[cursor];
      const shown = this.#values[at++];
      if (shown === undefined) return;
      if (value === null || value === undefined) return setText(shown, "–");
      const isBelow = isOutOfRange === true && min !== null && value < min;
      const isAbove = isOutOfRange === true && max !== null && value > max;
      setText(shown, `${formatY(value)}${isBelow ? " (below)" : isAbove ? " (above)" : ""}`);
    });
  }
}
