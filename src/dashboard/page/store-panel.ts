import type { UploadJobFacts } from "../../record/run-record.ts";
import { element, FactList, panel, setAttribute, setShown, setText } from "./elements.ts";
import { formatMoment } from "./page-format.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";
import { jobFacts, storeFacts, uploadFacts } from "./store-facts.ts";

interface JobRow {
  readonly root: HTMLElement;
  readonly name: HTMLElement;
  readonly progress: HTMLProgressElement;
  readonly text: HTMLElement;
}

/** Uploads under way, how far the store is behind, and what was asked of it. */
export class StorePanel implements RunPanel {
  readonly root: HTMLElement;
  readonly #uploads: FactList = new FactList();
  readonly #store: FactList = new FactList();
  readonly #progress: HTMLProgressElement = element("progress", { attributes: { "aria-label": "Uploaded", max: "1" } });
  readonly #jobs: HTMLElement = element("ul", { class: "jobs", attributes: { "aria-label": "Packs under way" } });
  readonly #rows: JobRow[] = [];
  readonly #asOf: HTMLElement = element("p", { class: "note" });
  readonly #title: HTMLElement = element("h3", {}, "Uploads");
  readonly #facts: HTMLElement;

  constructor() {
    const uploads = element("div", {}, this.#title, this.#progress, this.#uploads.root, this.#jobs);
    const store = element("div", {}, element("h3", {}, "Its state"), this.#store.root);
    this.#facts = element("div", { class: "columns" }, uploads, store);
    this.root = panel("store", "Store", this.#facts, this.#asOf);
  }

  update({ model, hasEnded, store }: RunUpdate): void {
    setText(this.#title, store.startsWith("file:") ? "Writes to the store" : "Uploads");
    const { status } = model.view;
    setShown(this.#facts, status !== null);
    if (status === null) {
      setText(this.#asOf, "Nothing is known of uploads yet: the first word comes with the first generation.");
      return;
    }
    const { share, facts } = uploadFacts(status);
    if (share !== null) this.#progress.value = share;
    setShown(this.#progress, share !== null);
    // Of a process that has ended, nothing is under way, whatever it said last.
    this.#showJobs(hasEnded ? [] : status.status.upload.jobs);
    for (const [name, value] of facts) this.#uploads.set(name, value);
    for (const [name, value] of storeFacts(status)) this.#store.set(name, value);
    const since = "Counted since this process of the run began";
    setText(this.#asOf, hasEnded ? `${since}; as of ${formatMoment(status.atMs)}.` : `${since}.`);
  }

  #showJobs(jobs: readonly UploadJobFacts[]): void {
    setShown(this.#jobs, jobs.length > 0);
    for (const [index, job] of jobs.entries()) {
      const row = (this.#rows[index] ??= this.#addRow());
      const { name, share, text } = jobFacts(job);
      setShown(row.root, true);
      setText(row.name, name);
      setAttribute(row.name, "title", job.name);
      setAttribute(row.progress, "aria-label", `Sent of ${name}`);
      row.progress.value = share;
      setText(row.text, text);
    }
    for (const { root } of this.#rows.slice(jobs.length)) setShown(root, false);
  }

  #addRow(): JobRow {
    const [name, text] = [element("code"), element("span")];
    const progress = element("progress", { attributes: { max: "1" } });
    const root = element("li", {}, name, progress, text);
    this.#jobs.append(root);
    return { root, name, progress, text };
  }
}
