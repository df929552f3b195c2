// A machine vanishes with all its disks; the next one goes on from the store alone, with the same state to the last bit.
//
//   node examples/resume-from-cloud.ts
//   node examples/resume-from-cloud.ts gs://my-bucket/eigen/run-7
//
// The argument is the store of a new run: gs://, s3:// or az://. Without it a folder stands for the bucket.
// In a project of your own, import from "varve".
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checkpointer, createRandom, ReplayBuffer, stateHash } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-resume-"));
const store = process.argv[2] ?? join(folder, "bucket", "run-1");
const fields = { observation: { dtype: "float32", shape: [8] }, action: { dtype: "float32", shape: [2] } } as const;

/** All that training is: the same on every machine. */
function createTrainer() {
  const buffer = new ReplayBuffer({ capacity: 5000, seed: 1, fields, prioritized: { alpha: 0.6, beta: 0.4 } });
  const random = createRandom(2);
  let weights = new Float32Array(100);
  return {
    buffer,
    train() {
      for (let i = 0; i < 1000; i++) {
        const observation = Float32Array.from({ length: 8 }, () => random.normal());
        const nextObservation = observation.map((value) => value + 0.1 * random.normal());
        const action = Float32Array.of(random.uniform(), random.uniform());
        const reward = random.normal();
        buffer.add({ observation, action, reward, nextObservation, terminated: false, truncated: i === 999 });
      }
      const batch = buffer.sample(64);
      weights = weights.map((weight, i) => weight + 0.01 * (batch.reward[i % 64] ?? 0));
    },
    state: () => ({ weights, random: random.state() }),
    setState(state: { weights: Float32Array<ArrayBuffer>; random: ReturnType<typeof random.state> }) {
      weights = state.weights;
      random.setState(state.random);
    },
    hash: () => stateHash({ buffer, state: { weights, random: random.state() } }),
  };
}

/** One machine with a disk of its own, which is gone when it ends. */
async function onMachine(name: string, fromStep: number, toStep: number): Promise<string> {
  const local = join(folder, name);
  const trainer = createTrainer();
  const { buffer } = trainer;
  await using checkpointer = await Checkpointer.open({ store, local, keepLast: 3 });
  const restored = await checkpointer.restore({ buffer });
  assert.equal(restored?.step ?? 0, fromStep, "the store holds what the machine before had committed");
  if (restored !== null) trainer.setState(restored.state);
  console.log(
    `${name}: ${fromStep === 0 ? "a new run" : `goes on after step ${fromStep}`} (${buffer.size} transitions)`,
  );
  for (let step = fromStep + 1; step <= toStep; step++) {
    trainer.train();
    // On local disk at once, in the store soon after.
    checkpointer.save({ step, buffer, state: trainer.state() });
  }
  const { failed, pending } = await checkpointer.waitUntilFinished({ timeoutMs: 60_000 });
  assert.deepEqual({ failed, pending }, { failed: 0, pending: 0 });
  rmSync(local, { recursive: true, force: true });
  return trainer.hash();
}

try {
  await onMachine("machine-1", 0, 3);
  const resumed = await onMachine("machine-2", 3, 6);

  // The same training on a machine that never vanished.
  const undisturbed = createTrainer();
  for (let step = 1; step <= 6; step++) undisturbed.train();
  assert.equal(resumed, undisturbed.hash());
  console.log(`the state after step 6 is the same as without a break: ${resumed.slice(0, 16)}…`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
