import { element, FactList, panel, setShown, setText } from "./elements.ts";
import { formatMoment } from "./page-format.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";
import { storeFacts, uploadFacts } from "./store-facts.ts";

/** Uploads under way, how far the store is behind, and what was asked of it. */
export class StorePanel implements RunPanel {
  readonly root: HTMLElement;
  readonly #uploads: FactList = new FactList();
  readonly #store: FactList = new FactList();
  readonly #progress: HTMLProgressElement = element("progress", { attributes: { "aria-label": "Uploaded", max: "1" } });
  readonly #asOf: HTMLElement = element("p", { class: "note" });
  readonly #facts: HTMLElement;

  constructor() {
    const uploads = element("div", {}, element("h3", {}, "Uploads"), this.#progress, this.#uploads.root);
    const store = element("div", {}, element("h3", {}, "Store"), this.#store.root);
    this.#facts = element("div", { class: "columns" }, uploads, store);
    this.root = panel("store", "Uploads and store", this.#facts, this.#asOf);
  }

  update({ model, hasEnded }: RunUpdate): void {
    const { status } = model.view;
    setShown(this.#facts, status !== null);
    if (status === null) {
      setText(this.#asOf, "Nothing is known of uploads yet: the first word comes with the first generation.");
      return;
    }
    const { share, facts } = uploadFacts(status);
    if (share !== null) this.#progress.value = share;
    setShown(this.#progress, share !== null);
    for (const [name, value] of facts) this.#uploads.set(name, value);
    for (const [name, value] of storeFacts(status)) this.#store.set(name, value);
    const since = "Counted since this process of the run began";
    setText(this.#asOf, hasEnded ? `${since}; as of ${formatMoment(status.atMs)}.` : `${since}.`);
  }
}
