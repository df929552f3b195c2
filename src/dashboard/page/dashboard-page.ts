import type { BrowserTime } from "./browser-time.ts";
import { Comparison } from "./comparison.ts";
import { element, setShown, setText } from "./elements.ts";
import { fetchRuns, type ListedRun } from "./run-list.ts";
import { RunPage } from "./run-page.ts";
import { RunStreams } from "./run-streams.ts";
import { ALL_RUNS, RunTabs } from "./run-tabs.ts";
import { openTheme, type Theme } from "./theme.ts";

const LIST_EVERY_MS = 5000;
/** A live time-line moves on without new records; the eye needs no more, and the trainer shares this machine. */
const TICK_MS = 500;
const SLOW_TICK_MS = 2000;
/** Records come several times a second from each run. */
const SHORTEST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 4000;
/** An update of a long run takes longer, and drawing it as long again: the page stays below a tenth of a core. */
const PAUSE_FACTOR = 30;

/** The whole page: which runs there are, and the one that is looked at. */
export class DashboardPage {
  readonly #time: BrowserTime;
  readonly #theme: Theme;
  readonly #streams: RunStreams;
  readonly #tabs: RunTabs;
  readonly #comparison: Comparison;
  readonly #pages: Map<string, RunPage> = new Map();
  readonly #shown: HTMLElement;
  readonly #notice: HTMLElement = element("p", { class: "empty" }, "Reading …");
  #runs: readonly ListedRun[] = [];
  #selected: string | null = null;
  #isRefused = false;
  #isUpdateDue = false;
  #updatedAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs = SHORTEST_PAUSE_MS;

  /** @param header - takes the tabs; `shown` what is looked at */
  constructor(time: BrowserTime, header: HTMLElement, shown: HTMLElement) {
    this.#time = time;
    this.#shown = shown;
    this.#theme = openTheme(() => this.#redraw());
    this.#streams = new RunStreams(time, () => this.#askForUpdate());
    this.#tabs = new RunTabs((id) => this.#select(id));
    this.#comparison = new Comparison(this.#theme, this.#streams, (id) => this.#select(id));
    header.append(this.#tabs.root);
    shown.replaceChildren(this.#notice);
  }

  /** Runs for as long as the page is open. */
  async run(): Promise<void> {
    window.addEventListener("hashchange", () => {
      const id = runInAddress();
      if (id !== null) this.#select(id);
    });
    document.addEventListener("visibilitychange", () => this.#askForUpdate());
    await this.#list();
    this.#time.every(LIST_EVERY_MS, () => void this.#list());
    this.#time.every(this.#theme.hasReducedMotion ? SLOW_TICK_MS : TICK_MS, () => {
      if (this.#selectedRun !== undefined) this.#askForUpdate();
    });
  }

  async #list(): Promise<void> {
    if (document.hidden && this.#runs.length > 0) return;
    const answer = await fetchRuns();
    this.#isRefused = answer === "refused";
    if (typeof answer === "object") {
      this.#runs = answer.runs;
      this.#streams.setRuns(answer.runs);
      if (this.#selected === null || !this.#isKnown(this.#selected)) this.#select(this.#first());
    }
    setText(this.#notice, this.#describeNothing(answer));
    this.#askForUpdate();
  }

  #first(): string {
    const inAddress = runInAddress();
    if (inAddress !== null && this.#isKnown(inAddress)) return inAddress;
    return this.#runs.length === 1 ? (this.#runs[0]?.id ?? ALL_RUNS) : ALL_RUNS;
  }

  #isKnown(id: string): boolean {
    return id === ALL_RUNS ? this.#runs.length > 1 : this.#runs.some((run) => run.id === id);
  }

  #describeNothing(answer: Awaited<ReturnType<typeof fetchRuns>>): string {
    if (answer === "refused") return "The server asks for its token: open the address that it printed.";
    if (answer === "unreachable") return "The server does not answer. It is tried again every few seconds.";
    return "This server has no run to show. Give it one: varve dashboard <store>";
  }

  #select(id: string): void {
    if (!this.#isKnown(id)) return;
    this.#selected = id;
    if (id !== ALL_RUNS) this.#streams.follow(id);
    if (this.#runs.length > 1 && runInAddress() !== id)
      history.replaceState(null, "", `#run=${encodeURIComponent(id)}`);
    this.#update();
  }

  get #selectedRun(): ListedRun | undefined {
    return this.#runs.find(({ id }) => id === this.#selected);
  }

  /** However much comes, the page is brought up to date once in a while, and never while nobody sees it. */
  #askForUpdate(): void {
    if (this.#isUpdateDue || document.hidden) return;
    this.#isUpdateDue = true;
    const waitMs = Math.max(0, this.#updatedAtMs + this.#pauseMs - this.#time.now());
    this.#time.after(waitMs, () => requestAnimationFrame(() => this.#update()));
  }

  #update(): void {
    const beganAtMs = this.#time.now();
    this.#isUpdateDue = false;
    this.#showAll();
    this.#updatedAtMs = this.#time.now();
    const tookMs = this.#updatedAtMs - beganAtMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, PAUSE_FACTOR * tookMs));
  }

  #showAll(): void {
    this.#tabs.update(this.#runs, this.#selected ?? ALL_RUNS);
    const run = this.#selectedRun;
    const page = run === undefined ? undefined : this.#pageOf(run);
    this.#show(page?.root ?? (this.#selected === ALL_RUNS ? this.#comparison.root : this.#notice));
    const stream = run === undefined ? undefined : this.#streams.of(run.id);
    if (run !== undefined && stream !== undefined) page?.update(run, stream, this.#isRefused);
    else if (this.#selected === ALL_RUNS) this.#comparison.update(this.#runs);
    const name = run?.name ?? "All runs";
    document.title = this.#runs.length === 0 ? "Varve" : `${name} · Varve`;
  }

  #show(part: HTMLElement): void {
    if (this.#shown.firstChild !== part) this.#shown.replaceChildren(part);
    setShown(part, true);
  }

  #pageOf({ id }: ListedRun): RunPage {
    const page = this.#pages.get(id) ?? new RunPage(this.#theme);
    this.#pages.set(id, page);
    return page;
  }

  #redraw(): void {
    for (const page of this.#pages.values()) page.redraw();
    this.#comparison.redraw();
  }
}

/** `#run=2`: so that a page that is loaded again shows the same. */
function runInAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("run");
}
