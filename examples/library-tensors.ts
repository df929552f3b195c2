// A training loop whose tensors belong to a library: the weights and the batches live in its memory, not in ours.
//
//   node examples/library-tensors.ts
//
// It shows where data is copied, and where it need not be:
//
//   library ──read()──► ordinary array ──add()──► buffer        every transition, into an array that is used again
//   buffer ──sample({ out })──► ordinary arrays ──write()──► library        never shared memory: libraries refuse it
//   library ──read()──► ordinary array ──save()──► checkpoint   weights that change: save() copies them, then they are yours
//   library ──read()──► allocateShared() + frozen() ──save()──► weights that stay as they are: nobody copies them again
//
// In a project of your own, import from "varve".
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allocateShared, Checkpointer, createRandom, frozen, NotSharedError, ReplayBuffer } from "../src/index.ts";
import { fitStep, Tensor } from "./support/tensor-library.ts";

const INPUTS = 4;
const BATCH = 32;
const FEATURES = 65_536;
const fields = {
  observation: { dtype: "float32", shape: [INPUTS] },
  action: { dtype: "float32", shape: [1] },
} as const;
const createBuffer = () => new ReplayBuffer({ capacity: 1000, seed: 1, fields });

/** The rewards that the weights shall learn to predict. */
const truth = Float32Array.of(1, -2, 0.5, 3);
const rewardOf = (observation: Float32Array): number =>
  observation.reduce((sum, value, i) => sum + value * (truth[i] ?? 0), 0);

const folder = mkdtempSync(join(tmpdir(), "varve-tensors-"));
try {
  const buffer = createBuffer();
  const checkpointer = await Checkpointer.open({ store: folder });

  // The library's own memory.
  const weights = new Tensor(INPUTS);
  const sensor = new Tensor(INPUTS);
  const inputs = new Tensor(BATCH * INPUTS);
  const rewards = new Tensor(BATCH);
  const encoder = new Tensor(FEATURES);
  const random = createRandom(7);
  encoder.view().forEach((_, i, values) => {
    values[i] = random.normal();
  });

  // A pre-trained encoder never changes. It is read once into shared memory and frozen: the saver's thread reads it in
  // place, and because its content stays the same, it is stored once however many checkpoints name it.
  const encoderWeights = frozen(encoder.read(allocateShared("float32", FEATURES)));
  assert.throws(() => frozen(new Float32Array(FEATURES)), NotSharedError, "a frozen array needs shared memory");

  const observation = new Float32Array(INPUTS);
  const nextObservation = new Float32Array(INPUTS);
  const learned = new Float32Array(INPUTS);
  const action = new Float32Array(1);
  const out = { batch: undefined as ReturnType<typeof buffer.sample> | undefined };
  const errors: number[] = [];
  const stored: number[] = [];
  for (let step = 1; step <= 600; step++) {
    sensor.view().forEach((_, i, values) => {
      values[i] = random.normal();
    });
    sensor.read(nextObservation);
    const reward = rewardOf(observation);
    // add() keeps its own copy: all these arrays can be written again at once.
    buffer.add({ observation, action, reward, nextObservation, terminated: false, truncated: false });
    observation.set(nextObservation);

    out.batch = buffer.sample(BATCH, { out: out.batch });
    inputs.write(out.batch.observation);
    rewards.write(out.batch.reward);
    errors.push(fitStep(weights, inputs, rewards, 0.1));

    if (step % 200 === 0) {
      const save = checkpointer.save({
        step,
        buffer,
        state: { weights: weights.read(learned), encoder: encoderWeights },
      });
      // save() has copied the weights: the array is free again, and what is written to it now is in no checkpoint.
      learned.fill(Number.NaN);
      assert.ok(save.copiedBytes < 1000, "only the few weights that change are copied, never the encoder");
      stored.push((await save.durable).storedBytes);
    }
  }
  await checkpointer.close();
  const [first = 0, ...later] = stored;
  assert.ok(
    later.every((bytes) => bytes < first / 10),
    "the encoder is stored once",
  );
  assert.ok((errors.at(-1) ?? 1) < 0.01, "the weights must predict the reward by now");

  // Back: what was restored is in ordinary arrays, so it can be written straight into the library.
  const again = createBuffer();
  await using reader = await Checkpointer.open({ store: folder, readOnly: true });
  const restored = await reader.restore({ buffer: again });
  const [restoredWeights, restoredEncoder] = [new Tensor(INPUTS), new Tensor(FEATURES)];
  restoredWeights.write(restored?.state.weights);
  restoredEncoder.write(restored?.state.encoder);
  assert.deepEqual(restoredWeights.view(), weights.view());
  assert.deepEqual(restoredEncoder.view(), encoder.view());
  assert.deepEqual(again.sample(BATCH), buffer.sample(BATCH), "the buffer draws the same rows next");

  const worst = Math.max(...errors.slice(0, 20));
  console.log(`error up to ${worst.toFixed(1)} at first, ${errors.at(-1)?.toExponential(0)} at the end`);
  console.log(
    `three checkpoints with ${FEATURES * 4} bytes of frozen weights each: ${stored.join(", ")} bytes written`,
  );
  console.log("restored into the library's memory: equal bit for bit");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
