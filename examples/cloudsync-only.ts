// CloudSync alone, in the loop of the trainer that it was asked for: files and folders to a cloud, nothing else of Varve.
//
//   node examples/cloudsync-only.ts
//   CLOUD_PROVIDER=gcs CLOUD_BUCKET=my-bucket CLOUD_PROJECT=eigen node examples/cloudsync-only.ts
//
// Without CLOUD_PROVIDER a folder stands for the bucket. In a project of your own, import from "varve".
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudSync, formatUploadStatus, ReplayBuffer } from "../src/index.ts";

const start = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "varve-cloudsync-"));
process.chdir(folder);
const cloud = CloudSync.fromEnv(process.env, { project: process.env["CLOUD_PROJECT"] ?? "eigen" });

const fields = { observation: { dtype: "float32", shape: [8] }, action: { dtype: "float32", shape: [2] } } as const;
const buffer = new ReplayBuffer({ capacity: 10_000, seed: 1, fields });
const weights = new Float32Array(1000);

/** Stands for a generation of training. */
function trainGeneration(generation: number) {
  for (let i = 0; i < 500; i++) {
    const [observation, nextObservation] = [new Float32Array(8).fill(i), new Float32Array(8).fill(i + 1)];
    const action = Float32Array.of(generation, i);
    buffer.add({ observation, action, reward: i % 7, nextObservation, terminated: false, truncated: i === 499 });
  }
  for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] ?? 0) + generation / (i + 1);
}

try {
  mkdirSync("checkpoints");
  mkdirSync("logs");
  for (let generation = 1; generation <= 10; generation++) {
    trainGeneration(generation);
    writeFileSync("checkpoints/best_agent.bin", weights);
    writeFileSync("logs/training.log", `generation ${generation}\n`, { flag: "a" });
    if (generation % 5 === 0) {
      // Both return at once, and training goes on: saving, compressing and sending are done by another thread.
      cloud.saveAndUploadBuffer(buffer, "checkpoints/replay_buffer.varve");
      cloud.syncCheckpoints("checkpoints", { background: true, exclude: ["replay_buffer*"] });
    }
    console.log(`generation ${generation}: ${formatUploadStatus(cloud.uploadStatus())}`);
  }
  await cloud.syncLogs();
  let { failed } = await cloud.waitForUploads({ timeoutMs: 60_000 });
  if (failed > 0) {
    // What failed is still on local disk, and can be sent again.
    cloud.retryFailed();
    ({ failed } = await cloud.waitForUploads({ timeoutMs: 60_000 }));
  }
  assert.equal(failed, 0);

  // Another machine: everything back from the cloud.
  assert.equal(await cloud.fileExists("replay_buffer.varve"), true);
  const { files } = await cloud.downloadCheckpoints("restored");
  const restored = await ReplayBuffer.load("restored/replay_buffer.varve");
  assert.deepEqual([files, restored.size], [2, 5000]);
  console.log(`${files} files came back, with ${restored.size} transitions`);
} finally {
  await cloud.shutdown();
  process.chdir(start);
  rmSync(folder, { recursive: true, force: true });
}
