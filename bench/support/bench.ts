import type { Figure } from "./figure.ts";

/** One line of the table. */
export interface Row {
  readonly quantity: string;
  readonly varve: Figure;
  /** What it is compared with, measured in the same run. */
  readonly control?: (Figure & { readonly name: string }) | undefined;
  /** Varve by control, repetition by repetition, unless `quantity` says otherwise. */
  readonly ratio?: Figure | undefined;
  /** What to hold to, from the project's figures, and whether it was. */
  readonly target?: Target | undefined;
}

export interface Target {
  readonly text: string;
  readonly reached: boolean;
}

export interface Context {
  /** Less data and fewer repetitions: shows that everything runs, not how fast. */
  readonly quick: boolean;
  /** An empty folder of its own, removed afterwards. */
  readonly scratch: string;
  /** One line on standard error. */
  readonly progress: (text: string) => void;
}

/** What is measured in one child process. */
export interface Case {
  readonly name: string;
  measure(context: Context): Promise<readonly Row[]>;
  /** For what can be measured once a process: three processes, and one row from three. */
  readonly combine?: ((rows: readonly Row[]) => Row) | undefined;
}

export interface Bench {
  readonly name: string;
  /** One sentence: what it tells. */
  readonly about: string;
  readonly cases: readonly Case[];
}

export function atMost(value: number, limit: number, text: string): Target {
  return { text: `≤ ${text}`, reached: value <= limit };
}

export function atLeast(value: number, limit: number, text: string): Target {
  return { text: `≥ ${text}`, reached: value >= limit };
}
