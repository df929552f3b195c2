import type { Figure } from "./figure.ts";

/** One line of the table. */
export interface Row {
  readonly quantity: string;
  readonly varve: Figure;
  /** What it is compared with, measured in the same run. */
  readonly control?: (Figure & { readonly name: string }) | undefined;
  /** Varve by control, repetition by repetition, unless `quantity` says otherwise. */
  readonly ratio?: Figure | undefined;
  /** Of the ratio, or of the figure where there is none, where neither the target nor the unit tells it. */
  readonly better?: "more" | "less" | undefined;
  /** What to hold to, from the project's figures, and whether it was. */
  readonly target?: Target | undefined;
}

/** One line of a table with a column for each quantity, where several programs do the same. */
export interface ProgramRow {
  /** The program with its version. */
  readonly program: string;
  /** By the column's heading, in order. A text says why there is no figure, or what there is to say about it. */
  readonly cells: Readonly<Record<string, Figure | string>>;
  /** It crashed, or brought back other data than it was given. */
  readonly hasFailed?: boolean;
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
  /** The folder of the benches' sources, where scripts in other languages are. */
  readonly source: string;
  /** One line on standard error. */
  readonly progress: (text: string) => void;
}

/** What is measured in one child process. */
export interface Case {
  readonly name: string;
  measure(context: Context): Promise<readonly (Row | ProgramRow)[]>;
  /** For what can be measured once a process: three processes, and one row from three. */
  readonly combine?: ((rows: readonly Row[]) => Row) | undefined;
}

export interface Bench {
  readonly name: string;
  /** One sentence: what it tells. */
  readonly about: string;
  readonly cases: readonly Case[];
  /** Runs only when it is named: it installs packages, or takes long. */
  readonly isOptional?: boolean;
}

export function atMost(value: number, limit: number, text: string): Target {
  return { text: `≤ ${text}`, reached: value <= limit };
}

export function atLeast(value: number, limit: number, text: string): Target {
  return { text: `≥ ${text}`, reached: value >= limit };
}
