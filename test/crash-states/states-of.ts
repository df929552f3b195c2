import { crashStates } from "../../src/testing/crash-states.ts";
import type { History } from "./history.ts";
import { imageKey } from "./image-key.ts";
import type { Remains } from "./judge.ts";
import { type Acknowledged, acknowledgedBy } from "./model.ts";
import { StoreStates } from "./store-recorder.ts";

const SECTOR_BYTES = 512;

export interface State {
  /** Counts the states of one history. */
  readonly number: number;
  readonly description: string;
  readonly remains: Remains;
  /** Equal for states that a process cannot tell apart. */
  readonly key: string;
  readonly notes: readonly string[];
  /** What must have survived this crash. */
  readonly acknowledged: Acknowledged;
}

export interface StatesOptions {
  readonly seed: number;
  readonly maxStatesPerPoint: number;
}

/** Everything that a crash can leave of a history's run: of its folder, times of its store, times of the machine. */
export function* statesOf(history: History, { seed, maxStatesPerPoint }: StatesOptions): Generator<State> {
  const { place, disk } = history;
  const store = new StoreStates(history.initialObjects, history.changes);
  let number = 0;
  let toldWithoutMachine = -1;
  for (const state of crashStates(disk, { seed, maxStatesPerPoint, sectorBytes: SECTOR_BYTES })) {
    const { notes, fileSystem, description } = state;
    const image = place === "cloud" ? null : fileSystem.initial;
    const acknowledged = acknowledgedBy(notes);
    for (const [subset, objects] of store.after(notes).entries()) {
      const remains: Remains = { place, disk: image, objects };
      const told = place === "disk" ? description : `${description}; requests under way: subset ${subset}`;
      yield { number: number++, description: told, remains, key: imageKey(image, objects), notes, acknowledged };
      // Of what happens on the disk alone the store knows nothing: then the machine is gone as it was before.
      if (place !== "tiers" || toldWithoutMachine === notes.length) continue;
      // What was only durable was on the machine.
      const survived = { ...acknowledged, durable: acknowledged.committed, pinned: [] };
      yield {
        ...{ number: number++, description: `${told}; the machine is gone`, notes, acknowledged: survived },
        ...{ remains: { ...remains, disk: null }, key: imageKey(null, objects) },
      };
    }
    toldWithoutMachine = notes.length;
  }
}
