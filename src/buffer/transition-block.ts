import { builtIn } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import { Block } from "./block-pool.ts";

/** A block of transitions, with the columns that every row has by name. */
export class TransitionBlock extends Block {
  readonly reward: Float32Array;
  readonly terminated: Uint8Array;
  readonly truncated: Uint8Array;
  readonly episodeStart: Uint8Array;
  readonly env: Uint16Array;

  constructor(number: number, layout: LogLayout) {
    super(number, layout);
    const column = (name: string) => this.columns[layout.columns.findIndex((known) => known.name === name)];
    this.reward = column(builtIn.reward) as Float32Array;
    this.terminated = column(builtIn.terminated) as Uint8Array;
    this.truncated = column(builtIn.truncated) as Uint8Array;
    this.episodeStart = column(builtIn.episodeStart) as Uint8Array;
    this.env = column(builtIn.env) as Uint16Array;
  }
}
