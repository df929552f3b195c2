import { element, setAttribute, setText } from "./elements.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";
import { summaryOf } from "./summary.ts";

interface Tile {
  readonly root: HTMLElement;
  readonly label: HTMLElement;
  readonly value: HTMLElement;
  readonly detail: HTMLElement;
}

/** The numbers that are seen first. */
export class SummaryPanel implements RunPanel {
  readonly root: HTMLElement = element("dl", { class: "summary", attributes: { "aria-label": "At a glance" } });
  readonly #tiles: Tile[] = [];

  update({ model, hasEnded }: RunUpdate): void {
    summaryOf(model, hasEnded).forEach(({ label, value, detail, isBad }, index) => {
      const tile = this.#tiles[index] ?? this.#addTile();
      setText(tile.label, label);
      setText(tile.value, value);
      setText(tile.detail, detail);
      setAttribute(tile.root, "class", isBad ? "tile bad" : "tile");
    });
  }

  #addTile(): Tile {
    const [label, value] = [element("dt"), element("dd", { class: "value" })];
    const detail = element("dd", { class: "detail" });
    const tile = { root: element("div", { class: "tile" }, label, value, detail), label, value, detail };
    this.#tiles.push(tile);
    this.root.append(tile.root);
    return tile;
  }
}
