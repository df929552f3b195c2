import { element, setAttribute, setShown } from "./elements.ts";
import type { ListedRun } from "./run-list.ts";

/** Stands for all runs side by side. */
export const ALL_RUNS = "all";

/** Which run is looked at: a tab for each, and one for all. As the pattern for tabs has it, arrow keys select. */
export class RunTabs {
  readonly root: HTMLElement = element("div", {
    class: "tabs",
    attributes: { role: "tablist", "aria-label": "Runs" },
  });
  readonly #select: (id: string) => void;
  readonly #tabs: Map<string, HTMLButtonElement> = new Map();

  constructor(select: (id: string) => void) {
    this.#select = select;
    this.root.addEventListener("keydown", (event) => this.#move(event));
  }

  update(runs: readonly ListedRun[], selected: string): void {
    setShown(this.root, runs.length > 1);
    const wanted = [{ id: ALL_RUNS, name: "All runs" }, ...runs];
    const isSame =
      wanted.length === this.#tabs.size && wanted.every(({ id, name }) => this.#tabs.get(id)?.textContent === name);
    if (!isSame) this.#build(wanted);
    for (const [id, tab] of this.#tabs) {
      setAttribute(tab, "aria-selected", String(id === selected));
      setAttribute(tab, "tabindex", id === selected ? "0" : "-1");
    }
  }

  #build(wanted: readonly Pick<ListedRun, "id" | "name">[]): void {
    this.#tabs.clear();
    for (const { id, name } of wanted) {
      const tab = element("button", { attributes: { role: "tab", "aria-controls": "shown" } }, name);
      tab.type = "button";
      tab.addEventListener("click", () => this.#select(id));
      this.#tabs.set(id, tab);
    }
    this.root.replaceChildren(...this.#tabs.values());
  }

  #move(event: KeyboardEvent): void {
    const ids = [...this.#tabs.keys()];
    const at = ids.findIndex((id) => this.#tabs.get(id) === document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: ids.length - 1 }[event.key];
    const id = to === undefined ? undefined : ids[(to + ids.length) % ids.length];
    if (id === undefined) return;
    event.preventDefault();
    this.#select(id);
    this.#tabs.get(id)?.focus();
  }
}
