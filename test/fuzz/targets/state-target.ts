import type { Random } from "../../../src/base/random.ts";
import { decodeState, encodeState } from "../../../src/checkpoint/state-tree.ts";
import { isVarveError, stateHash } from "../../../src/index.ts";
import { arrayConstructors, type TypedArray } from "../../../src/schema/dtype.ts";
import { parseConfig } from "../../../src/trainer/config.ts";
import type { TrainConfig } from "../../../src/trainer/contract.ts";
import { createTypeScriptKernels } from "../../../src/trainer/kernels/typescript-kernels.ts";
import { createEnvironmentFactory } from "../../../src/trainer/registry.ts";
import { createTrainer, type Trainer } from "../../../src/trainer/trainer.ts";
import { applyState, assertResumable, captureForSave, type TrainerState } from "../../../src/trainer/trainer-state.ts";
import { assertRefusal, type FuzzTarget, isPartOf } from "../fuzz.ts";
import { chance, type Json, mutateJson, pick } from "../mutations.ts";
import { assertPlain } from "./manifest-target.ts";

const config: TrainConfig = parseConfig("pendulum", {
  ...{ population: 2, hiddenSizes: [3, 3], validationEpisodes: 1, generations: 2 },
  buffer: { capacity: 100, learningStarts: 50 },
  learner: { batchSize: 4 },
});

interface Made {
  readonly trainer: Trainer;
  readonly json: string;
  readonly tensors: readonly TypedArray[];
}

let made: Promise<Made> | null = null;

async function makeTrainer(): Promise<Made> {
  const environment = await createEnvironmentFactory("pendulum", {});
  const trainer = createTrainer({ config, environment, kernels: createTypeScriptKernels() });
  const { progress } = trainer;
  progress.generation = 1;
  progress.fitness.push(Float64Array.of(-1, -2));
  progress.validation.push(-3);
  const { json, tensors } = encodeState(captureForSave(trainer));
  return { trainer, json: JSON.stringify(json), tensors: tensors.map((tensor) => tensor.slice()) };
}

/** Other lengths and types of arrays, which the tree alone does not say. */
function mutateTensors(tensors: readonly TypedArray[], random: Random): readonly TypedArray[] {
  const changed = [...tensors];
  const place = random.int(changed.length);
  const old = changed[place] as TypedArray;
  const length = pick(
    random,
    [0, 1, old.length - 1, old.length + 1, old.length * 2, 1000].filter((each) => each >= 0),
  );
  changed[place] = chance(random, 0.5)
    ? new arrayConstructors.float32(length)
    : new arrayConstructors[pick(random, ["float64", "uint8", "int32"] as const)](length);
  return changed;
}

/** What a checkpoint says goes into a trainer whole, or not at all. */
export const stateTarget: FuzzTarget = {
  name: "trainer state",
  mostAllocatedBytes: 1024 * 1024,
  async attempt(random, input) {
    made ??= makeTrainer();
    const { trainer, json, tensors: sound } = await made;
    const tensors = chance(random, 0.4) ? mutateTensors(sound, random) : sound;
    const tree = chance(random, 0.7) ? mutateJson(JSON.parse(json) as Json, random) : (JSON.parse(json) as Json);
    input(tree);
    const before = stateHash({ state: captureForSave(trainer) });
    try {
      const state = decodeState(tree, tensors);
      assertPlain(state);
      assertResumable(trainer, state as TrainerState);
      trainer.progress.fitness.length = 0;
      trainer.progress.validation.length = 0;
      applyState(trainer, state as TrainerState);
      const { schedule: _schedule, config: _config, environment: _environment, ...now } = captureForSave(trainer);
      if (!isPartOf(now, state)) throw new Error("the trainer is not in the state that it was given");
      return "accepted";
    } catch (error) {
      const verdict = assertRefusal(error, { codes: ["VARVE_CONFIG", "VARVE_INVALID_ARGUMENT"] });
      if (isVarveError(error, "VARVE_CONFIG")) restoreProgress(trainer);
      if (stateHash({ state: captureForSave(trainer) }) !== before) {
        throw new Error("a refused state left its traces", { cause: error });
      }
      return verdict;
    } finally {
      reset(trainer, json, sound);
    }
  },
};

function restoreProgress({ progress }: Trainer): void {
  if (progress.fitness.length > 0) return;
  progress.fitness.push(Float64Array.of(-1, -2));
  progress.validation.push(-3);
}

function reset(trainer: Trainer, json: string, tensors: readonly TypedArray[]): void {
  trainer.progress.fitness.length = 0;
  trainer.progress.validation.length = 0;
  applyState(trainer, decodeState(JSON.parse(json), tensors) as TrainerState);
}
