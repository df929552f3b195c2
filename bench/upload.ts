import { createWriteStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { request as requestSecurely, Agent as SecureAgent } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Checkpointer, CloudSync, openStore, ReplayBuffer } from "../src/index.ts";
import { atLeast, atMost, type Bench, type Context, type Row } from "./support/bench.ts";
import { NoiseRows } from "./support/data.ts";
import { figure, ratios } from "./support/figure.ts";
import { type ObjectServer, startObjectServer } from "./support/object-server.ts";
import { Trainer, trainFor, type Window } from "./support/trainer.ts";

/*
 * What goes to an object store, and what that costs training. The store is a small server of the S3 protocol on the
 * same machine, in a process of its own, which keeps what arrives in memory. It needs as much of a core as the sender.
 * Beside a trainer it runs at nice 19: a store is another machine, and takes no time from training.
 */

const OBSERVATION = 1024;
const fields = {
  observation: { dtype: "float32", shape: [OBSERVATION] },
  action: { dtype: "float32", shape: [2] },
} as const;
const IN_FLIGHT = 4;
const PACED_BYTES_PER_SECOND = 50e6;
/** So much of a checkpoint has arrived when training begins beside it. What is left takes longer than a window. */
const BEGUN = 0.3;

const cloudOptions = (server: ObjectServer) => ({
  endpoint: server.endpoint,
  region: "us-east-1",
  forcePathStyle: true,
});

/** A run on local disk whose packs hold about so many bytes. */
async function makeRun(folder: string, bytes: number): Promise<void> {
  const buffer = new ReplayBuffer({ capacity: Math.ceil(bytes / (4 * OBSERVATION)), fields });
  const rows = new NoiseRows(OBSERVATION, 3);
  const [observation, nextObservation] = [new Float32Array(OBSERVATION), new Float32Array(OBSERVATION)];
  for (let i = 0; i < buffer.capacity; i++) {
    rows.write(observation);
    nextObservation.set(observation);
    const ended = { terminated: false, truncated: false };
    buffer.add({ observation, action: new Float32Array(2), reward: 0, nextObservation, ...ended });
  }
  const checkpointer = await Checkpointer.open({ store: folder });
  await checkpointer.save({ step: 0, buffer }).durable;
  await checkpointer.close();
}

/** As a person would write it: read a file, PUT it, four under way. */
async function putLoop(server: ObjectServer, folder: string, names: readonly string[], prefix: string): Promise<void> {
  const agent = new (server.isSecure ? SecureAgent : Agent)({ keepAlive: true, maxSockets: IN_FLIGHT });
  const waiting = [...names];
  const work = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      await put(agent, server, `/${server.bucket}/${prefix}/${name}`, await readFile(join(folder, name)));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  agent.destroy();
}

function put(agent: Agent, { port, isSecure }: ObjectServer, path: string, body: Uint8Array): Promise<void> {
  const send = isSecure ? requestSecurely : request;
  return new Promise((resolve, reject) => {
    const headers = { "content-length": body.length, authorization: "bench" };
    const sent = send({ host: "127.0.0.1", port, method: "PUT", path, headers, agent }, (response) => {
      response.resume().once("end", () => (response.statusCode === 200 ? resolve() : reject(new Error("refused"))));
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

async function measureThroughput(context: Context, isSecure: boolean): Promise<readonly Row[]> {
  const [rounds, bytes] = context.quick ? [3, 24e6] : [5, 1200e6];
  const local = join(context.scratch, "run");
  await makeRun(local, bytes);
  const packs = join(local, "packs");
  const names = await readdir(packs);
  const size = (await Promise.all(names.map((name) => readFile(join(packs, name))))).reduce((n, b) => n + b.length, 0);
  const server = await startObjectServer({ isSecure });
  const speeds = { run: [] as number[], files: [] as number[], loop: [] as number[] };
  const cloud = new CloudSync({ provider: "s3", bucket: server.bucket, log: false, ...cloudOptions(server) });
  try {
    for (let round = 0; round < rounds; round++) {
      const store = await openStore(`s3://${server.bucket}/run-${round}`, cloudOptions(server));
      speeds.loop.push(size / 1e6 / (await seconds(() => putLoop(server, packs, names, `loop-${round}`))));
      await server.clear();
      const opened = seconds(async () => {
        const sender = await Checkpointer.open({ store, local });
        await sender.sync();
        await sender.close();
      });
      speeds.run.push(size / 1e6 / (await opened));
      await server.clear();
      const sent = (): Promise<unknown> =>
        cloud.uploadDirectory(packs, `files-${round}`, { background: true }).finished;
      speeds.files.push(size / 1e6 / (await seconds(sent)));
      await server.clear();
      context.progress(`round ${round + 1} of ${rounds}`);
    }
  } finally {
    await cloud.shutdown();
    server.close();
  }
  const by = isSecure ? " by https" : "";
  const control = { ...figure(speeds.loop, "MB/s"), name: isSecure ? "PUT loop, https" : "PUT loop" };
  return (
    [
      [`a run of ${(size / 1e6).toFixed(0)} MB from local disk${by}, speed`, speeds.run],
      [`the same packs as files by CloudSync${by}, speed`, speeds.files],
    ] as const
  ).map(([quantity, own]) => {
    const ratio = ratios(own, speeds.loop);
    return { quantity, varve: figure(own, "MB/s"), control, ratio, target: atLeast(ratio.median, 0.7, "0.7 ×") };
  });
}

async function writeFile(path: string, bytes: number): Promise<void> {
  const stream = createWriteStream(path);
  const rows = new NoiseRows(1 << 18, 9);
  for (let written = 0; written < bytes; written += 1 << 20) {
    const chunk = new Float32Array(1 << 18);
    rows.write(chunk);
    if (!stream.write(new Uint8Array(chunk.buffer)))
      await new Promise((resolve) => stream.once("drain", () => resolve(undefined)));
  }
  await new Promise<void>((resolve) => stream.end(resolve));
}

interface Uploading {
  readonly control: Window[];
  readonly uploading: Window[];
  bytes: number;
  seconds: number;
}

async function measureTraining(
  context: Context,
  { bytesPerSecond, isSecure = false }: { readonly bytesPerSecond?: number; readonly isSecure?: boolean },
): Promise<readonly Row[]> {
  const [pairs, durationMs] = context.quick ? [3, 100] : [7, 1500];
  const trainer = new Trainer();
  const server = await startObjectServer({ isSecure, isNiced: true });
  const file = join(context.scratch, "file.bin");
  await writeFile(file, 16 * 2 ** 20);
  const cloud = new CloudSync({
    ...{ provider: "s3", bucket: server.bucket, log: false, ...cloudOptions(server) },
    ...(bytesPerSecond !== undefined && { maxUploadBytesPerSecond: bytesPerSecond }),
  });
  const measured: Uploading = { control: [], uploading: [], bytes: 0, seconds: 0 };
  const rest = { durationMs, yields: false, between: () => undefined };
  try {
    await cloud.uploadFile(file, "warm.bin");
    await trainFor(trainer, { ...rest, durationMs: durationMs * 2 });
    for (let pair = 0; pair < pairs; pair++) {
      measured.control.push(await trainFor(trainer, rest));
      const sent = Array.from({ length: 64 }, (_, i) =>
        cloud.uploadFile(file, `${pair}-${i}.bin`, { background: true }),
      );
      measured.uploading.push(await trainFor(trainer, rest));
      measured.bytes += sent.reduce((sum, transfer) => sum + transfer.bytes, 0);
      measured.seconds += durationMs / 1000;
      for (const transfer of sent) transfer.cancel();
      await cloud.waitForUploads();
      await server.clear();
      context.progress(`pair ${pair + 1} of ${pairs}`);
    }
  } finally {
    await cloud.shutdown();
    server.close();
  }
  const pace = bytesPerSecond === undefined ? "at full speed" : "paced at 50 MB/s";
  return trainingRows(isSecure ? `${pace} by https` : pace, measured);
}

/** A checkpoint of the local tier goes to the store, which has nothing of it, while the trainer works. */
async function measureCheckpoint(context: Context): Promise<readonly Row[]> {
  const [pairs, durationMs, bytes] = context.quick ? [3, 100, 24e6] : [7, 1500, 1200e6];
  const trainer = new Trainer();
  const server = await startObjectServer({ isNiced: true });
  const local = join(context.scratch, "run");
  await makeRun(local, bytes);
  const measured: Uploading = { control: [], uploading: [], bytes: 0, seconds: 0 };
  const rest = { durationMs, yields: false, between: () => undefined };
  try {
    await trainFor(trainer, { ...rest, durationMs: durationMs * 2 });
    for (let pair = 0; pair < pairs; pair++) {
      measured.control.push(await trainFor(trainer, rest));
      const store = await openStore(`s3://${server.bucket}/run-${pair}`, cloudOptions(server));
      const sender = await Checkpointer.open({ store, local, log: false });
      // As in a run that was opened long ago: its threads have loaded and compiled what they need.
      while (sender.status().bytesUp < bytes * BEGUN) await sleep(10);
      const before = sender.status().bytesUp;
      measured.uploading.push(await trainFor(trainer, rest));
      measured.bytes += sender.status().bytesUp - before;
      measured.seconds += durationMs / 1000;
      await sender.close({ timeoutMs: 1 });
      await server.clear();
      context.progress(`pair ${pair + 1} of ${pairs}`);
    }
  } finally {
    server.close();
  }
  return trainingRows("a checkpoint at full speed", measured);
}

function trainingRows(label: string, { control, uploading, bytes, seconds: elapsed }: Uploading): Row[] {
  const slowdown = (of: keyof Window) =>
    ratios(
      control.map((w) => w[of]),
      uploading.map((w) => w[of]),
    );
  const gaps = (windows: readonly Window[]) =>
    figure(
      windows.map((w) => w.longestGapMs),
      "ms",
    );
  const [own, controlGap] = [gaps(uploading), gaps(control)];
  const limit = Math.max(5, 2 * controlGap.median);
  const speed = (windows: readonly Window[], of: keyof Window) =>
    figure(
      windows.map((w) => w[of]),
      "/s",
    );
  return [
    {
      quantity: `steps a second while uploading ${label} (${(bytes / 1e6 / elapsed).toFixed(0)} MB/s); slowdown`,
      varve: speed(uploading, "stepsPerSecond"),
      control: { ...speed(control, "stepsPerSecond"), name: "no upload" },
      ratio: slowdown("stepsPerSecond"),
      target: atMost(slowdown("stepsPerSecond").median, 1.03, "1.03 ×"),
    },
    {
      quantity: `steps a second that the training thread ran, ${label}; slowdown`,
      varve: speed(uploading, "stepsPerCpuSecond"),
      control: { ...speed(control, "stepsPerCpuSecond"), name: "no upload" },
      ratio: slowdown("stepsPerCpuSecond"),
      target: atMost(slowdown("stepsPerCpuSecond").median, 1.03, "1.03 ×"),
    },
    {
      quantity: `longest gap between steps while uploading ${label}`,
      varve: own,
      control: { ...controlGap, name: "no upload" },
      target: atMost(own.median, limit, `${limit.toPrecision(3)} ms (5 ms or 2 × the control)`),
    },
  ];
}

export const upload: Bench = {
  name: "upload",
  about: "sending to an object store on the same machine, and what that costs a trainer that never yields",
  cases: [
    { name: "throughput", measure: (context) => measureThroughput(context, false) },
    { name: "throughput, https", measure: (context) => measureThroughput(context, true) },
    { name: "training, full speed", measure: (context) => measureTraining(context, {}) },
    { name: "training, checkpoint", measure: measureCheckpoint },
    { name: "training, https", measure: (context) => measureTraining(context, { isSecure: true }) },
    {
      name: "training, paced",
      measure: (context) => measureTraining(context, { bytesPerSecond: PACED_BYTES_PER_SECOND }),
    },
  ],
};
