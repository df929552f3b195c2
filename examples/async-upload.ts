// The test script of the note that Varve began with: four scenarios of uploading in the background, and a clean end.
//
//   node examples/async-upload.ts
//   CLOUD_PROVIDER=s3 CLOUD_BUCKET=my-bucket node examples/async-upload.ts
//
// Without CLOUD_PROVIDER a folder stands for the bucket. In a project of your own, import from "varve".
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudSync, createRandom, formatUploadStatus, ReplayBuffer } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-async-"));
const cloud = process.env["CLOUD_PROVIDER"]
  ? CloudSync.fromEnv()
  : new CloudSync({ provider: "local", bucket: join(folder, "bucket"), project: "async-upload" });
const showStatus = () => console.log(formatUploadStatus(cloud.uploadStatus()));
const file = (name: string, sizeBytes: number) => {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(sizeBytes, name));
  return path;
};

try {
  console.log("1. One file in the background");
  const upload = cloud.uploadFile(file("one.bin", 100_000), undefined, { background: true });
  showStatus();
  const { bytes, to } = await upload.finished;
  console.log(`${bytes} bytes are at ${to}`);

  console.log("2. Five files in parallel");
  for (let i = 0; i < 5; i++)
    cloud.uploadFile(file(`file-${i}.bin`, 50_000 * (i + 1)), undefined, { background: true });
  showStatus();
  await cloud.waitForUploads();

  console.log("3. A directory, without its replay buffers; the second time only what is new");
  mkdirSync(join(folder, "checkpoints"));
  for (const name of ["best_agent", "population", "replay_buffer"]) file(`checkpoints/${name}.bin`, 10_000);
  const exclude = ["replay_buffer*"];
  await cloud.syncCheckpoints(join(folder, "checkpoints"), { exclude });
  file("checkpoints/trainer_state.bin", 1000);
  const second = await cloud.syncCheckpoints(join(folder, "checkpoints"), { exclude });
  // A bucket may have the third from an earlier run of this script.
  assert.ok(second.unchanged >= 2);
  assert.equal(second.files + second.unchanged, 3);
  assert.equal(await cloud.fileExists("best_agent.bin"), true);
  assert.equal(await cloud.fileExists("replay_buffer.bin"), false);

  console.log("4. A replay buffer of 50 transitions of 504 × 108 × 9, while training goes on");
  const [frames, stocks, indicators] = [504, 108, 9];
  const buffer = new ReplayBuffer({
    capacity: 1000,
    seed: 1,
    fields: {
      observation: { dtype: "float32", shape: [frames, stocks, indicators], frames },
      action: { dtype: "float32", shape: [stocks, 2] },
    },
  });
  const random = createRandom(2);
  const observation = new Float32Array(frames * stocks * indicators);
  const nextObservation = observation.map(() => random.normal());
  const train = () => {
    // A day passes: the window moves on by one frame.
    observation.set(nextObservation);
    nextObservation.copyWithin(0, stocks * indicators);
    for (let i = nextObservation.length - stocks * indicators; i < nextObservation.length; i++) {
      nextObservation[i] = random.normal();
    }
    const action = Float32Array.from({ length: stocks * 2 }, () => random.uniform());
    buffer.add({ observation, action, reward: random.normal(), nextObservation, terminated: false, truncated: false });
  };
  for (let step = 0; step < 50; step++) train();
  const startedAt = performance.now();
  const saved = cloud.saveAndUploadBuffer(buffer, join(folder, "replay_buffer.varve"));
  console.log(`training was held up for ${(performance.now() - startedAt).toFixed(1)} ms`);
  // This loop never yields to its event loop: saving and uploading do not need it.
  let steps = 0;
  for (; cloud.uploadStatus().pending > 0; steps++) train();
  console.log(`${steps} training steps were made meanwhile; now it is ${saved.phase}`);
  showStatus();

  const { failed, pending } = await cloud.shutdown({ wait: true, timeoutMs: 60_000 });
  assert.deepEqual({ failed, pending }, { failed: 0, pending: 0 });
  assert.equal((await ReplayBuffer.load(join(folder, "replay_buffer.varve"))).size, 50);
} finally {
  await cloud.shutdown({ wait: false });
  rmSync(folder, { recursive: true, force: true });
}
