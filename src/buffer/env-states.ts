import { InvalidArgumentError } from "../errors.ts";

const MAX_ENV = 65_535;

/** What is known of each env: whether its episode goes on, and its newest row. */
export class EnvStates {
  /** 1: the newest row ended neither by termination nor by truncation. */
  #open = new Uint8Array(16);
  #lastRow = new Float64Array(16).fill(-1);

  /** The newest row of an env, or -1. */
  lastRow(env: number): number {
    return env < this.#lastRow.length ? (this.#lastRow[env] as number) : -1;
  }

  /** Notes an env's new row; returns whether it is the first of its episode. */
  advance(env: number, row: number, ended: boolean): boolean {
    if (env >= this.#open.length) this.#grow(env);
    const isStart = this.#open[env] === 0;
    this.#open[env] = ended ? 0 : 1;
    this.#lastRow[env] = row;
    return isStart;
  }

  /** The envs whose episode goes on, ascending. */
  openEnvs(): number[] {
    const envs: number[] = [];
    for (let env = this.#open.indexOf(1); env >= 0; env = this.#open.indexOf(1, env + 1)) envs.push(env);
    return envs;
  }

  clear(): void {
    this.#open.fill(0);
    this.#lastRow.fill(-1);
  }

  /** Marks an env's episode as going on or not, without a row. */
  setOpen(env: number, open: boolean): void {
    if (env >= this.#open.length) this.#grow(env);
    this.#open[env] = open ? 1 : 0;
  }

  #grow(env: number): void {
    const length = Math.min(MAX_ENV + 1, Math.max(2 * this.#open.length, env + 1));
    const open = new Uint8Array(length);
    open.set(this.#open);
    const lastRow = new Float64Array(length).fill(-1);
    lastRow.set(this.#lastRow);
    this.#open = open;
    this.#lastRow = lastRow;
  }
}

export function assertEnv(path: string, env: unknown): number {
  if (typeof env !== "number" || (env & MAX_ENV) !== env) {
    throw new InvalidArgumentError(path, `an integer from 0 to ${MAX_ENV}`, env);
  }
  return env;
}
