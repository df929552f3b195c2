import { formatBytes, formatCount, formatDuration } from "../../record/format.ts";
import { type CheckpointRow, type CheckpointState, checkpointRows } from "./checkpoint-rows.ts";
import { button, element, panel, setShown, setText } from "./elements.ts";
import { bytesOrUnknown, durationOrUnknown, orUnknown } from "./page-format.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";

const FIRST_SHOWN = 12;
const SHOWN_MORE = 100;

const COLUMNS = [
  "Step",
  "Save",
  "State",
  "Complete",
  "New",
  "Stored",
  "Blocked",
  "To durable",
  "To committed",
  "Parent",
] as const;

const COMPLETE_MEANS =
  "Its manifest can be read, and every pack that it names is there in its size. Only varve verify reads their bytes.";

/** Said of a run that trains here and whose store was never listed. */
const NOT_LISTED =
  "Whether they are complete, and their parents, are not shown: the run has no folder on this machine, and to list " +
  "its store while it trains would cost requests. varve list and varve verify say it.";

const IS_NUMBER: ReadonlySet<string> = new Set(["Save", "New", "Stored", "Blocked", "To durable", "To committed"]);

const STATE_WORDS: Readonly<Record<CheckpointState, string>> = {
  ...{ committed: "committed", durable: "durable, not sent yet", waiting: "waiting", encoding: "encoding" },
  ...{ writing: "writing", failed: "failed", skipped: "skipped", replaced: "replaced by a newer one" },
  ...{ lost: "never finished", stored: "in the store", damaged: "damaged", removed: "removed by retention" },
};

const TONES: Readonly<Partial<Record<CheckpointState, string>>> = {
  ...{ committed: "good", stored: "good", durable: "fair", failed: "bad", damaged: "bad" },
  ...{ lost: "faint", skipped: "faint", replaced: "faint", removed: "faint" },
};

/** The table of checkpoints, newest first, a page at a time: a thousand rows would be laid out at every change. */
export class CheckpointPanel implements RunPanel {
  readonly root: HTMLElement;
  readonly #body: HTMLElement = element("tbody");
  readonly #table: HTMLElement;
  readonly #note: HTMLElement = element("p", { class: "note" });
  readonly #unlisted: HTMLElement = element("p", { class: "note" }, NOT_LISTED);
  readonly #more: HTMLButtonElement;
  readonly #rowByKey: Map<string, { readonly text: string; readonly root: HTMLElement }> = new Map();
  #mostShown = FIRST_SHOWN;
  #last: RunUpdate | null = null;
  #shownFor = "";

  constructor() {
    const heads = COLUMNS.map((name) => {
      const title: Readonly<Record<string, string>> = name === "Complete" ? { title: COMPLETE_MEANS } : {};
      const attributes = { scope: "col", ...title };
      return element("th", { ...(IS_NUMBER.has(name) ? { class: "number" } : {}), attributes }, name);
    });
    const head = element("tr", {}, ...heads);
    const caption = element("caption", { class: "unseen" }, "Checkpoints, newest first");
    const table = element("table", {}, caption, element("thead", {}, head), this.#body);
    this.#table = element(
      "div",
      { class: "scrolled", attributes: { tabindex: "0", role: "region", "aria-label": "Table of checkpoints" } },
      table,
    );
    this.#more = button("Show more", () => this.#showMore());
    this.root = panel("checkpoints", "Checkpoints", this.#table, this.#note, this.#unlisted, this.#more);
  }

  update(update: RunUpdate): void {
    this.#last = update;
    const { model, hasEnded, isListed } = update;
    const current = model.view.status?.status.current ?? null;
    const now = JSON.stringify([model.savesRevision, hasEnded, current, this.#mostShown]);
    if (now === this.#shownFor) return;
    this.#shownFor = now;
    const rows = checkpointRows(model, hasEnded);
    const shown = rows.slice(0, this.#mostShown);
    this.#body.replaceChildren(...shown.map((row) => this.#rowOf(row)));
    setShown(this.#table, rows.length > 0);
    setShown(this.#more, rows.length > shown.length);
    const left = rows.length - shown.length;
    setText(this.#more, `Show ${formatCount(Math.min(left, SHOWN_MORE))} more of ${formatCount(rows.length)}`);
    setText(this.#note, rows.length === 0 ? "No checkpoint yet." : describeRows(rows));
    setShown(this.#unlisted, rows.length > 0 && !isListed);
  }

  #showMore(): void {
    this.#mostShown += SHOWN_MORE;
    if (this.#last !== null) this.update(this.#last);
  }

  /** Rows that say the same as before are kept: a reader may have selected text in them. */
  #rowOf(row: CheckpointRow): HTMLElement {
    const text = JSON.stringify(row);
    const known = this.#rowByKey.get(row.key);
    if (known?.text === text) return known.root;
    const root = tableRow(row);
    this.#rowByKey.set(row.key, { text, root });
    return root;
  }
}

function tableRow(row: CheckpointRow): HTMLElement {
  const state = element("span", { class: `state ${TONES[row.state] ?? "busy"}` }, STATE_WORDS[row.state]);
  const stateCell = element("td", {}, state);
  if (row.isPinned) stateCell.append(" ", element("span", { class: "tag" }, "pinned"));
  if (row.reason !== null) stateCell.append(element("p", { class: "reason" }, row.reason));
  const parentCell = element("td", {}, orUnknown(row.parent, formatCount));
  if (row.branches.length > 0) {
    const branches = row.branches.map(formatCount).join(" and ");
    parentCell.append(" ", element("span", { class: "tag" }, `branches to ${branches}`));
  }
  const numbers = [
    bytesOrUnknown(row.newBytes),
    bytesOrUnknown(row.storedBytes),
    durationOrUnknown(row.blockedMs),
    durationOrUnknown(row.toDurableMs),
    durationOrUnknown(row.toCommittedMs),
  ];
  return element(
    "tr",
    {},
    element("th", { attributes: { scope: "row" } }, formatCount(row.step)),
    element("td", { class: "number" }, formatCount(row.sequence)),
    stateCell,
    element(
      "td",
      {},
      orUnknown(row.isComplete, (isComplete) => (isComplete ? "yes" : "no")),
    ),
    ...numbers.map((text) => element("td", { class: "number" }, text)),
    parentCell,
  );
}

/** What the columns add up to; no more than their number where no log tells of them. */
function describeRows(rows: readonly CheckpointRow[]): string {
  const all = `${formatCount(rows.length)} in all`;
  const times = rows.flatMap(({ toDurableMs }) => (toDurableMs === null ? [] : [toDurableMs])).sort((a, b) => a - b);
  const middle = times[times.length >>> 1];
  if (middle === undefined) return all;
  const written = rows.reduce((sum, { newBytes }) => sum + (newBytes ?? 0), 0);
  return `${all} · ${formatBytes(written)} written for them · median to durable ${formatDuration(middle)}`;
}
