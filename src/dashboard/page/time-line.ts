import { button, element, panel, setAttribute, setText } from "./elements.ts";
import type { RunModel } from "./run-model.ts";
import { hasOneTier, type SaveBar, saveBars } from "./save-bars.ts";
import type { Theme } from "./theme.ts";
import { drawTimeLine } from "./time-line-canvas.ts";
import { listenToTimeLine, TIME_LINE_KEYS, type TimeLineActions } from "./time-line-input.ts";
import { rowAt, rowNamed, TIME_LINE_HEIGHT, TIME_LINE_ROWS } from "./time-line-rows.ts";
import { describeGeneration, describeRange, describeSave, describeWait } from "./time-line-text.ts";
import { centred, fitted, panned, rangeOf, type TimeRange, type TimeWindow, zoomed } from "./time-window.ts";
import { generationAt, generationUnderWay, waitAt } from "./training-time.ts";

const MINUTE_MS = 60_000;
const SPANS: readonly (readonly [label: string, name: string, spanMs: number | null])[] = [
  ["1 min", "Last minute", MINUTE_MS],
  ["5 min", "Last 5 minutes", 5 * MINUTE_MS],
  ["30 min", "Last 30 minutes", 30 * MINUTE_MS],
  ["All", "The whole run", null],
];
const LEGEND = ["evaluate", "learn", "evolve", "blocked", "encode", "write", "upload"] as const;
/** How far off a bar a finger or a pointer may be. */
const REACH_PX = 6;
const NOTHING_SHOWN = "Point at a bar, or press Page Up, for its numbers.";

/** What the time-line is told at every update. */
export interface TimeLineInput {
  readonly model: RunModel;
  readonly extent: TimeRange;
  /** Whether nothing more can come. */
  readonly hasEnded: boolean;
}

/** The time-line: one row for the phases of training, and one for each stage of a checkpoint's way. */
export class TimeLine {
  readonly root: HTMLElement;
  readonly #theme: Theme;
  readonly #canvas: HTMLCanvasElement;
  readonly #readout: HTMLElement = element("p", { class: "readout", attributes: { "aria-live": "polite" } });
  readonly #description: HTMLElement = element("p", { class: "note", id: "time-line-words" });
  readonly #writeLabel: HTMLElement = element("span", {}, rowNamed("write").label);
  readonly #spanButtons: readonly HTMLButtonElement[];
  readonly #followButton: HTMLButtonElement;
  #window: TimeWindow | null = null;
  #input: TimeLineInput | null = null;
  #drawn: { readonly model: RunModel; hasEnded: boolean; savesRevision: number; toMs: number } | null = null;
  #bars: readonly SaveBar[] = [];
  #selectedSequence: number | null = null;

  constructor(theme: Theme) {
    this.#theme = theme;
    this.#canvas = element("canvas", {
      attributes: {
        ...{ tabindex: "0", role: "img", "aria-label": "Time-line of training and checkpoints" },
        ...{ "aria-describedby": "time-line-words time-line-keys" },
      },
    });
    this.#canvas.style.height = `${TIME_LINE_HEIGHT}px`;
    this.#spanButtons = SPANS.map(([label, name, spanMs]) =>
      button(label, () => this.#show({ spanMs, endMs: null }), { attributes: { "aria-label": name } }),
    );
    this.#followButton = button("Follow", () => this.#toggleFollow(), { class: "follow" });
    this.root = panel("time-line", "Time-line", this.#controls(), this.#rows(), this.#readout, this.#description);
    this.root.append(element("p", { class: "note keys", id: "time-line-keys" }, TIME_LINE_KEYS));
    setText(this.#readout, NOTHING_SHOWN);
    listenToTimeLine(this.#canvas, this.#actions());
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
  }

  /** A live run opens at its last minutes, one that has ended as a whole. */
  update(input: TimeLineInput): void {
    const isSeen = this.#isChangeSeen(input);
    this.#input = input;
    this.#window ??= { spanMs: input.hasEnded ? null : 5 * MINUTE_MS, endMs: null };
    if (isSeen) this.draw();
  }

  /** Whether it differs from what was drawn by half a pixel: of a day in one picture, seconds do not. */
  #isChangeSeen({ model, extent, hasEnded }: TimeLineInput): boolean {
    const drawn = this.#drawn;
    if (drawn === null || model !== drawn.model || hasEnded !== drawn.hasEnded) return true;
    if (model.savesRevision !== drawn.savesRevision) return true;
    return Math.abs(extent.toMs - drawn.toMs) >= this.#msPerPixel(extent) / 2;
  }

  draw(): void {
    const [input, shown] = [this.#input, this.#window];
    if (input === null || shown === null) return;
    const { model, extent, hasEnded } = input;
    const range = rangeOf(fitted(shown, extent), extent);
    this.#drawn = { model, hasEnded, savesRevision: model.savesRevision, toMs: extent.toMs };
    this.#bars = saveBars(model, extent.toMs, hasEnded);
    drawTimeLine(this.#canvas, this.#theme, {
      ...{ range, generations: model.view.generations, bars: this.#bars, aways: model.aways },
      waits: model.view.waits,
      sessionsAtMs: model.view.sessions.slice(1).map(({ atMs }) => atMs),
      underWay: hasEnded ? null : generationUnderWay(model.view, extent),
      selectedSequence: this.#selectedSequence,
    });
    setText(this.#description, describeRange(model, range));
    setText(this.#writeLabel, hasOneTier(model) ? "Store write" : rowNamed("write").label);
    SPANS.forEach(([, , spanMs], index) => {
      const isPressed = spanMs === shown.spanMs && shown.endMs === null;
      const pressed = this.#spanButtons[index];
      if (pressed !== undefined) setAttribute(pressed, "aria-pressed", String(isPressed));
    });
    setAttribute(this.#followButton, "aria-pressed", String(shown.endMs === null));
    this.#followButton.disabled = hasEnded;
  }

  #controls(): HTMLElement {
    const swatches = LEGEND.map((name) => element("li", {}, element("span", { class: `swatch ${name}` }), name));
    const spans = element("div", { class: "spans", attributes: { role: "group", "aria-label": "Time shown" } });
    spans.append(...this.#spanButtons, this.#followButton);
    return element("div", { class: "bar" }, element("ul", { class: "legend" }, ...swatches), spans);
  }

  #rows(): HTMLElement {
    const labels = TIME_LINE_ROWS.map(({ name, label, top, height }) => {
      const made = name === "write" ? this.#writeLabel : element("span", {}, label);
      made.style.top = `${top}px`;
      made.style.height = `${height}px`;
      return made;
    });
    const gutter = element("div", { class: "row-labels", attributes: { "aria-hidden": "true" } }, ...labels);
    return element("div", { class: "time-line-rows" }, gutter, this.#canvas);
  }

  #show(shown: TimeWindow): void {
    this.#window = shown;
    this.draw();
  }

  #toggleFollow(): void {
    const [input, shown] = [this.#input, this.#window];
    if (input === null || shown === null) return;
    this.#show({ spanMs: shown.spanMs, endMs: shown.endMs === null ? input.extent.toMs : null });
  }

  #change(change: (shown: TimeWindow, extent: TimeRange) => TimeWindow): void {
    if (this.#input === null || this.#window === null) return;
    const { extent } = this.#input;
    this.#show(change(fitted(this.#window, extent), extent));
  }

  #actions(): TimeLineActions {
    return {
      point: (at) => this.#tell(at === null ? null : this.#describe(at)),
      select: (at) => {
        this.#selectedSequence = this.#barAt(at)?.save.sequence ?? null;
        this.#tell(this.#describe(at));
        this.draw();
      },
      moveBy: (pixels) => this.#change((shown, extent) => panned(shown, extent, pixels * this.#msPerPixel(extent))),
      moveByShare: (share) =>
        this.#change((shown, extent) => {
          const { fromMs, toMs } = rangeOf(shown, extent);
          return panned(shown, extent, share * (toMs - fromMs));
        }),
      zoomBy: (factor, x) =>
        this.#change((shown, extent) => zoomed(shown, extent, factor, this.#atMs(x ?? this.#canvas.clientWidth / 2))),
      selectNext: (step) => this.#selectNext(step),
      follow: () => this.#change(({ spanMs }) => ({ spanMs, endMs: null })),
      showAll: () => this.#show({ spanMs: null, endMs: null }),
      clear: () => {
        this.#selectedSequence = null;
        this.#tell(null);
        this.draw();
      },
    };
  }

  #selectNext(step: 1 | -1): void {
    const saves = this.#input?.model.view.saves ?? [];
    const at = saves.findIndex(({ sequence }) => sequence === this.#selectedSequence);
    const next = at === -1 ? saves.at(-1) : saves[at + step];
    if (next === undefined) return;
    this.#selectedSequence = next.sequence;
    const atMs = next.queued?.atMs ?? next.durable?.atMs;
    if (atMs !== undefined) this.#change((shown, extent) => centred(shown, extent, atMs));
    this.#tell(null);
    this.draw();
  }

  /** What is pointed at; else the selected checkpoint; else how to use this. */
  #tell(text: string | null): void {
    setText(this.#readout, text ?? this.#describeSelected() ?? NOTHING_SHOWN);
  }

  #describeSelected(): string | null {
    if (this.#input === null) return null;
    const { model, hasEnded } = this.#input;
    const save = model.view.saves.find(({ sequence }) => sequence === this.#selectedSequence);
    return save === undefined ? null : describeSave(save, model, hasEnded);
  }

  #describe(at: { readonly x: number; readonly y: number }): string | null {
    if (this.#input === null) return null;
    const { model, hasEnded } = this.#input;
    const bar = this.#barAt(at);
    if (bar !== null) return describeSave(bar.save, model, hasEnded);
    const row = rowAt(at.y);
    if (row === null || (row.name !== "training" && row.name !== "blocked")) return null;
    const reachMs = REACH_PX * this.#msPerPixel(this.#input.extent);
    const wait = row.name === "blocked" ? waitAt(model.view.waits, this.#atMs(at.x), reachMs) : null;
    if (wait !== null) return describeWait(wait);
    const generation = generationAt(model.view.generations, this.#atMs(at.x));
    return generation === null ? null : describeGeneration(generation);
  }

  #barAt({ x, y }: { readonly x: number; readonly y: number }): SaveBar | null {
    if (this.#input === null || this.#window === null) return null;
    const row = rowAt(y);
    const atMs = this.#atMs(x);
    const reachMs = REACH_PX * this.#msPerPixel(this.#input.extent);
    const near = this.#bars.filter(
      (bar) => bar.row === row?.name && bar.fromMs - reachMs <= atMs && bar.toMs + reachMs >= atMs,
    );
    return near.findLast(({ kind }) => kind !== "wait") ?? near.at(-1) ?? null;
  }

  #atMs(x: number): number {
    if (this.#input === null || this.#window === null) return 0;
    const { fromMs } = rangeOf(fitted(this.#window, this.#input.extent), this.#input.extent);
    return fromMs + x * this.#msPerPixel(this.#input.extent);
  }

  #msPerPixel(extent: TimeRange): number {
    if (this.#window === null) return 0;
    const { fromMs, toMs } = rangeOf(fitted(this.#window, extent), extent);
    return (toMs - fromMs) / Math.max(1, this.#canvas.clientWidth);
  }
}
