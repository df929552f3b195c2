// Two buffers in one checkpoint: demonstrations that stay as they are, and experience that grows.
//
//   node examples/two-buffers.ts
//
// A record of named buffers takes the place of the one buffer. All of them are snapshots of the same instant, and what
// does not change costs nothing: the demonstrations are stored with the first checkpoint and only named by later ones.
//
// In a project of your own, import from "varve".
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checkpointer, createRandom, ReplayBuffer } from "../src/index.ts";

const fields = {
  observation: { dtype: "float32", shape: [6] },
  action: { dtype: "float32", shape: [2] },
} as const;

function createBuffers() {
  return {
    demonstrations: new ReplayBuffer({ capacity: 5000, seed: 1, fields }),
    // Their fields need not be the same: here each row also tells which policy acted.
    experience: new ReplayBuffer({
      capacity: 2000,
      seed: 2,
      fields: { ...fields, policy: { dtype: "int32", shape: [] } },
      prioritized: { alpha: 0.6, beta: 0.4 },
    }),
  };
}

const random = createRandom(3);
function createTransition() {
  return {
    observation: Float32Array.from({ length: 6 }, () => random.normal()),
    action: Float32Array.from({ length: 2 }, () => random.normal()),
    reward: random.normal(),
    nextObservation: Float32Array.from({ length: 6 }, () => random.normal()),
    terminated: random.uniform() < 0.02,
    truncated: false,
  };
}

const folder = mkdtempSync(join(tmpdir(), "varve-two-"));
try {
  const buffers = createBuffers();
  const { demonstrations, experience } = buffers;
  for (let i = 0; i < 5000; i++) demonstrations.add(createTransition());

  const checkpointer = await Checkpointer.open({ store: folder });
  const stored: number[] = [];
  for (let step = 1; step <= 3; step++) {
    for (let i = 0; i < 1000; i++) experience.add({ ...createTransition(), policy: step });
    // Half a batch of each, as in learning from demonstrations (Ball et al. 2023).
    const [own, shown] = [experience.sample(128), demonstrations.sample(128)];
    assert.equal(own.reward.length + shown.reward.length, 256);
    experience.updatePriorities(own.indices, own.reward);

    const save = checkpointer.save({ step, buffer: buffers, state: { step } });
    // The snapshot is of the instant of save(): what is added now is in the next checkpoint, not in this one.
    experience.add({ ...createTransition(), policy: -1 });
    stored.push((await save.durable).storedBytes);
  }
  await checkpointer.close();
  const [first = 0, ...later] = stored;
  assert.ok(
    later.every((bytes) => bytes < first / 2),
    "only what is new is stored",
  );

  // Both come back by their names, priorities and generators included.
  const again = createBuffers();
  await using reader = await Checkpointer.open({ store: folder, readOnly: true });
  const restored = await reader.restore({ buffer: again });
  assert.equal(restored?.step, 3);
  assert.equal(again.demonstrations.size, 5000);
  assert.deepEqual(again.demonstrations.sample(64), demonstrations.sample(64));
  assert.equal(again.experience.totalAdded, experience.totalAdded - 1, "the row that came after save() is not in it");
  assert.equal(again.experience.size, 2000, "the older thousand had left the buffer");
  const newest = again.experience.readRows(again.experience.totalAdded - 1, again.experience.totalAdded);
  assert.equal(newest.policy[0], 3);

  console.log(
    `written: ${stored.map((bytes) => `${(bytes / 1000).toFixed(0)} kB`).join(", ")}; the first with all demonstrations`,
  );
  console.log(
    `restored: ${again.demonstrations.size} demonstrations and ${again.experience.size} transitions, of one instant`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
