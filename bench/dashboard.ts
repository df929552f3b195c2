import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { repeat } from "../src/base/timers.ts";
import { MetricsLog } from "../src/cli/metrics-log.ts";
import { TrainRecorder } from "../src/cli/train-recorder.ts";
import { startDashboard } from "../src/dashboard/dashboard.ts";
import { Checkpointer } from "../src/index.ts";
import { defaultConfig } from "../src/trainer/config.ts";
import type { TrainConfig } from "../src/trainer/contract.ts";
import type { EnvironmentFactory } from "../src/trainer/environment.ts";
import { createEnvironmentFactory } from "../src/trainer/registry.ts";
import { train } from "../src/trainer/train.ts";
import { atMost, type Bench, type Context, type Row } from "./support/bench.ts";
import { figure, ratios } from "./support/figure.ts";

/*
 * What it costs training to be watched: whole generations of pendulum, each with a save and its log, with a dashboard
 * that three readers look at and without one, in turns.
 */

const READERS = 3;

/** As `varve train --dashboard` tells it. */
const STATUS_MS = 250;

interface Watched {
  readonly meanMs: number;
  readonly stateHash: string;
  /** Of all readers together. */
  readonly readBytes: number;
}

/** Trains as `varve train` does; a generation's time counts once learning has begun. */
async function trainRun(
  config: TrainConfig,
  environment: EnvironmentFactory,
  store: string,
  isWatched: boolean,
): Promise<Watched> {
  const recorder = new TrainRecorder();
  const checkpointer = await Checkpointer.open({
    ...{ store, onBacklog: "queue" },
    log: (event) => recorder.checkpoint(event),
  });
  const audience = isWatched ? await gather(store) : null;
  const log = new MetricsLog(store, (message) => {
    throw new Error(message);
  });
  recorder.open(log, audience === null ? null : (record) => audience.dashboard.record(record));
  const stop = repeat(STATUS_MS, () => recorder.liveStatus(checkpointer.status()));
  const { reports, stateHash } = await train({
    ...{ config, environment, checkpointer },
    hooks: {
      onStarted: () => recorder.started(config),
      onGeneration: (report, buffer) => recorder.generation(report, buffer, checkpointer.status()),
    },
  });
  stop();
  await checkpointer.close();
  recorder.close(checkpointer.status());
  const readBytes = audience === null ? 0 : await dismiss(audience);
  const learned = reports.filter(({ gradientSteps }) => gradientSteps > 0).map((report) => report.generationMs);
  return { meanMs: learned.reduce((sum, ms) => sum + ms, 0) / learned.length, stateHash, readBytes };
}

interface Audience {
  readonly dashboard: Awaited<ReturnType<typeof startDashboard>>;
  readonly readers: ChildProcess;
}

async function gather(store: string): Promise<Audience> {
  const dashboard = await startDashboard({ runs: [{ store, isLive: true }] });
  const main = join(
    import.meta.dirname,
    "support",
    `event-readers-process${import.meta.filename.endsWith(".ts") ? ".ts" : ".js"}`,
  );
  const args = [`${dashboard.url}api/runs/0/events`, dashboard.token, String(READERS)];
  const readers = fork(main, args, { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  for (let connected = 0; connected < READERS; connected++) await once(readers, "message");
  return { dashboard, readers };
}

async function dismiss({ dashboard, readers }: Audience): Promise<number> {
  const told = once(readers, "message");
  await dashboard.close();
  const [bytes] = (await told) as [number];
  readers.disconnect();
  return bytes;
}

async function measureWatching({ quick, scratch, progress }: Context): Promise<Row[]> {
  const environment = await createEnvironmentFactory("pendulum");
  const defaults = defaultConfig("pendulum");
  const config: TrainConfig = {
    ...defaults,
    generations: quick ? 2 : 6,
    championEpisodes: 1,
    ...(quick && { population: 5, validationEpisodes: 2, learner: { ...defaults.learner, updateRatio: 0.2 } }),
  };
  const times = { own: [] as number[], control: [] as number[] };
  let readBytes = 0;
  await trainRun(config, environment, join(scratch, "first"), false);
  for (let round = 0; round < (quick ? 3 : 7); round++) {
    const isFirst = round % 2 === 0;
    const one = await trainRun(config, environment, join(scratch, `run-${round}-a`), isFirst);
    const other = await trainRun(config, environment, join(scratch, `run-${round}-b`), !isFirst);
    if (one.stateHash !== other.stateHash)
      throw new Error("A run that is watched trained otherwise than one that is not");
    const [own, control] = isFirst ? [one, other] : [other, one];
    if (own.readBytes === 0) throw new Error("Nobody read anything");
    times.own.push(own.meanMs);
    times.control.push(control.meanMs);
    readBytes = own.readBytes;
    progress(`round ${round + 1}`);
  }
  const slowdown = ratios(times.own, times.control);
  return [
    {
      quantity: `a generation of pendulum, watched by ${READERS} (${(readBytes / 1000).toFixed(0)} kB in all)`,
      varve: figure(times.own, "ms"),
      control: { ...figure(times.control, "ms"), name: "no dashboard" },
      ratio: slowdown,
      target: atMost(slowdown.median, 1.02, "1.02 ×"),
    },
  ];
}

export const dashboard: Bench = {
  name: "dashboard",
  about: "what it costs training that a dashboard is open and three readers look at it",
  cases: [{ name: "watching", measure: measureWatching }],
};
