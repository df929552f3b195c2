import type { Problem } from "../../record/run-view.ts";
import { element, panel, setShown } from "./elements.ts";
import { formatMoment } from "./page-format.ts";
import type { RunPanel, RunUpdate } from "./run-panel.ts";

const MOST_SHOWN = 8;

/** The last errors and warnings, newest first, each with its next step. */
export class ProblemPanel implements RunPanel {
  readonly root: HTMLElement;
  readonly #list: HTMLElement = element("ol", { class: "problems" });
  readonly #none: HTMLElement = element("p", { class: "note" }, "Nothing went wrong so far.");
  #shown: Problem | undefined;

  constructor() {
    this.root = panel("problem", "Errors and warnings", this.#none, this.#list);
  }

  update({ model }: RunUpdate): void {
    const { problems } = model.view;
    setShown(this.#none, problems.length === 0);
    if (problems.at(-1) === this.#shown) return;
    this.#shown = problems.at(-1);
    this.#list.replaceChildren(...problems.slice(-MOST_SHOWN).reverse().map(problemItem));
  }
}

function problemItem(problem: Problem): HTMLElement {
  const { what, message, code, hint } = describeProblem(problem);
  const head = element("p", { class: "what" }, element("strong", {}, what), ` ${formatMoment(problem.atMs)}`);
  const item = element("li", {}, head, element("p", {}, message));
  if (hint !== null) item.append(element("p", { class: "hint" }, `Next step: ${hint}`));
  if (code !== null) head.append(" ", element("code", {}, code));
  return item;
}

function describeProblem(problem: Problem): {
  readonly what: string;
  readonly message: string;
  readonly code: string | null;
  readonly hint: string | null;
} {
  switch (problem.event) {
    case "failed":
      return { what: `Save ${problem.sequence} (step ${problem.step}) failed`, ...problem.error };
    case "degraded":
      return { what: `${problem.store} is away`, ...problem.error };
    case "warning":
      return { what: "Warning", message: problem.message, code: null, hint: null };
  }
}
