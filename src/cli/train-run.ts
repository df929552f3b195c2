import { systemClock } from "../base/clock.ts";
import { Checkpointer, ConfigError } from "../index.ts";
import { recordOfEvent } from "../record/checkpointer-record.ts";
import type { TrainConfig, TrainHooks, TrainResult } from "../trainer/contract.ts";
import type { EnvironmentFactory } from "../trainer/environment.ts";
import { createEnvironmentFactory } from "../trainer/registry.ts";
import { train } from "../trainer/train.ts";
import { storeNamed } from "./cloud-store.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { ConsoleOutput } from "./console-output.ts";
import { reportError } from "./error-report.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { plural } from "./format.ts";
import { MetricsLog, removeIfEmpty } from "./metrics-log.ts";
import { opening } from "./opening.ts";
import { finishPendingSaves } from "./pending-saves.ts";
import { isUnnamed, placeOfNewRun, placeOfResumedRun } from "./run-places.ts";
import { DEFAULT_STOP_MS, exitCodeOf, StopSignals } from "./stop-signals.ts";
import { logForTensorBoard } from "./tensorboard-scalars.ts";
import { portOf, TrainDashboard } from "./train-dashboard.ts";
import {
  assertRunIsEmpty,
  createResumeCommand,
  describeGoingOn,
  localFolderOf,
  type ResumeCommand,
  type RunPlace,
  readSavedSettings,
} from "./train-place.ts";
import { TrainRecorder, withoutRepeats } from "./train-recorder.ts";
import { TrainReporter, type UploadKind } from "./train-reporter.ts";
import { settingsOfNewRun, settingsOfResumedRun, type TrainFlags } from "./train-settings.ts";
import { formatSummary, type SummaryInput, summarize } from "./train-summary.ts";

/** For local disk, after the time that SIGTERM leaves. */
const LAST_WAIT_MS = 3000;

/** A run that is about to be trained. */
interface PreparedRun {
  readonly config: TrainConfig;
  readonly place: RunPlace;
  readonly checkpointer: Checkpointer;
  readonly reporter: TrainReporter;
  readonly recorder: TrainRecorder;
  readonly resumeCommand: ResumeCommand;
  readonly signals: StopSignals;
  readonly endsWhenFenced: boolean;
  /** Null where none is asked for. */
  readonly dashboard: TrainDashboard | null;
}

/** Trains by flags and configuration file, and tells a person about it. */
export async function runTraining(environment: string | undefined, flags: TrainFlags): Promise<ExitCode> {
  const output = new ConsoleOutput({ json: flags.json, quiet: flags.quiet });
  try {
    if (flags.step !== undefined && flags.resume !== true) {
      throw new ConfigError("--step says which checkpoint to resume from, and needs --resume");
    }
    const file = readConfigFile(flags.config);
    return await (flags.resume === true ? resumeRun : startRun)(output, environment, flags, file);
  } catch (error) {
    return reportError(output, error);
  }
}

type RunStarter = (
  output: ConsoleOutput,
  environment: string | undefined,
  flags: TrainFlags,
  file: ConfigFile,
) => Promise<ExitCode>;

const startRun: RunStarter = async (output, environment, flags, file) => {
  const config = settingsOfNewRun(environment, flags, file);
  const factory = await createEnvironmentFactory(config.environment, config.environmentOptions);
  // The folder comes into being last: a wrong configuration leaves none behind.
  const place = await placeOfNewRun(config.environment, flags, file);
  try {
    const run = await openRun(output, config, place, flags, file);
    return await withClosing(run, async () => {
      await assertRunIsEmpty(run.checkpointer, place.store, run.resumeCommand);
      return trainRun(output, run, factory, undefined);
    });
  } catch (error) {
    const folder = localFolderOf(place);
    if (isUnnamed(flags, file) && folder !== null) removeIfEmpty(folder);
    throw error;
  }
};

const resumeRun: RunStarter = async (output, environment, flags, file) => {
  const place = await placeOfResumedRun(environment, flags, file);
  const saved = await opening(output, place.store, () => readSavedSettings(place, flags.step));
  const config = settingsOfResumedRun(saved, environment, flags, file);
  const factory = await createEnvironmentFactory(config.environment, config.environmentOptions);
  const run = await openRun(output, config, place, flags, file);
  return withClosing(run, () => trainRun(output, run, factory, { step: flags.step }));
};

async function openRun(
  output: ConsoleOutput,
  config: TrainConfig,
  place: RunPlace,
  flags: TrainFlags,
  file: ConfigFile,
): Promise<PreparedRun> {
  const reporter = new TrainReporter(output, uploadsOf(place));
  const recorder = new TrainRecorder();
  const eventsFolder = flags.tensorboard ?? file.tensorboard;
  if (eventsFolder !== undefined) recorder.alsoTo(logForTensorBoard(eventsFolder, output));
  const store = await storeNamed(place.store);
  const checkpointer = await opening(output, place.store, () =>
    Checkpointer.open({
      ...{ ...place, store, onBacklog: "queue", ...file.checkpoints },
      log: withoutRepeats((event) => {
        output.about(recordOfEvent(event, systemClock.now()), () => reporter.checkpoint(event));
        recorder.checkpoint(event);
      }),
    }),
  );
  const resumeCommand = createResumeCommand(place, flags);
  const limitMs = flags.stopWithin === undefined ? DEFAULT_STOP_MS : flags.stopWithin * 1000;
  const signals = new StopSignals(output, limitMs, {
    onTimeUp: async () => {
      output.warn(`This generation is given up for lack of time. ${describeGoingOn(resumeCommand)}`);
      await checkpointer.close({ timeoutMs: LAST_WAIT_MS });
    },
    onSecond: () => void checkpointer.close({ timeoutMs: 0 }),
  });
  const endsWhenFenced = flags.onFenced === "stop";
  const port = portOf(flags.dashboard ?? file.dashboard);
  const dashboard = port === null ? null : new TrainDashboard(output, { store, local: place.local, port });
  return { config, place, checkpointer, reporter, recorder, resumeCommand, signals, endsWhenFenced, dashboard };
}

/** Closing has the last try at what the store lacks, and says what is left; signals are heard until that is done. */
async function withClosing(
  { checkpointer, recorder, signals, dashboard }: PreparedRun,
  work: () => Promise<ExitCode>,
): Promise<ExitCode> {
  let code: ExitCode;
  try {
    code = await work();
  } finally {
    signals.trainingIsOver((timeoutMs) => void checkpointer.close({ timeoutMs }));
    await checkpointer.close();
    recorder.close(checkpointer.status());
    await dashboard?.close();
    signals.close();
  }
  if (code !== EXIT.ok || checkpointer.status().behind === 0) return code;
  return signals.received === null ? EXIT.behind : exitCodeOf(signals.received);
}

async function trainRun(
  output: ConsoleOutput,
  run: PreparedRun,
  environment: EnvironmentFactory,
  resume: { readonly step?: number | undefined } | undefined,
): Promise<ExitCode> {
  const { config, place, recorder, signals } = run;
  const folder = localFolderOf(place);
  const log = folder === null ? null : new MetricsLog(folder, (message) => output.warn(message));
  const live = (await run.dashboard?.start()) ?? null;
  recorder.open(log, live);
  output.message(describeRun(config, place));
  run.dashboard?.watch(() => recorder.liveStatus(run.checkpointer.status()));
  const startedAtMs = systemClock.monotonicMs();
  const progress = createProgress(output, run);
  const result = await trainAndSave(output, run, { environment, resume, hooks: progress.hooks });
  recorder.ended(result);
  return tellResult(output, run, {
    result,
    elapsedMs: systemClock.monotonicMs() - startedAtMs,
    resumedFrom: progress.resumedFrom(),
    stoppedBy: result.finished ? null : signals.received,
    metricsLog: recorder.path,
  });
}

/** What is told and recorded while training runs. */
function createProgress(
  output: ConsoleOutput,
  { config, place, checkpointer, reporter, recorder, signals, endsWhenFenced }: PreparedRun,
): { readonly hooks: TrainHooks; readonly resumedFrom: () => number | null } {
  let resumedFrom: number | null = null;
  const hooks: TrainHooks = {
    onStarted: () => recorder.started(config),
    onRestored: (step, sequence) => {
      resumedFrom = step;
      output.message(`Resumed from checkpoint ${sequence} (step ${step}) of ${place.store}`);
      recorder.resumed(step, sequence, config);
    },
    onGeneration: (report, buffer) => {
      const status = checkpointer.status();
      output.about({ event: "generation", ...report }, () => reporter.generation(report, status));
      recorder.generation(report, buffer, status);
    },
    shouldStop: () => signals.received !== null || (endsWhenFenced && reporter.isFenced),
  };
  return { hooks, resumedFrom: () => resumedFrom };
}

function tellResult(
  output: ConsoleOutput,
  run: PreparedRun,
  outcome: Pick<SummaryInput, "result" | "elapsedMs" | "resumedFrom" | "stoppedBy" | "metricsLog">,
): ExitCode {
  const { config, place, checkpointer, reporter, resumeCommand, signals } = run;
  const { totals } = reporter;
  const summary = summarize({ config, place, resumeCommand, status: checkpointer.status(), totals, ...outcome });
  output.result(summary, () => formatSummary(output, summary));
  if (reporter.isFenced) {
    output.warn("Another process took the run over: what this one trained since its last checkpoint is not saved.");
    return EXIT.fenced;
  }
  if (totals.newestFailed) {
    output.warn("The newest checkpoint could not be saved: what was trained since the one before is lost.");
    if (signals.received === null) return EXIT.notSaved;
    output.warn(`Ended by ${signals.received}. ${describeGoingOn(resumeCommand)}`);
    return exitCodeOf(signals.received);
  }
  const { stoppedBy, generations } = summary;
  if (summary.resumedFrom === generations && stoppedBy === null) {
    output.warn(`The run was complete already. To train on, add --generations with more than ${generations}.`);
  }
  if (stoppedBy === null) return EXIT.ok;
  output.warn(`Ended by ${stoppedBy} after generation ${generations}. ${describeGoingOn(resumeCommand)}`);
  return exitCodeOf(stoppedBy);
}

/** Trains; waits for the saves under way whether that went well or not. */
async function trainAndSave(
  output: ConsoleOutput,
  { config, checkpointer, resumeCommand, signals }: PreparedRun,
  input: Omit<Parameters<typeof train>[0], "config" | "checkpointer">,
): Promise<TrainResult> {
  const isOver = (): void => signals.trainingIsOver((timeoutMs) => void checkpointer.close({ timeoutMs }));
  try {
    const result = await train({ config, checkpointer, ...input });
    isOver();
    await finishPendingSaves(checkpointer, output);
    return result;
  } catch (error) {
    isOver();
    const { succeeded } = await finishPendingSaves(checkpointer, output);
    if (succeeded > 0)
      output.warn(`Saved before that: ${plural(succeeded, "checkpoint")}. ${describeGoingOn(resumeCommand)}`);
    throw error;
  }
}

function uploadsOf(place: RunPlace): UploadKind {
  if (place.local !== undefined) return "after local disk";
  return localFolderOf(place) !== null || place.store.startsWith("memory://") ? "none" : "from memory";
}

function describeRun(config: TrainConfig, { store, local }: RunPlace): string {
  const every = config.saveEvery === 1 ? "every generation" : `every ${config.saveEvery} generations`;
  const agents = plural(config.population, "agent");
  const first = local === undefined ? "" : ` by way of ${local}`;
  return `${config.environment}: ${agents}, ${plural(config.generations, "generation")}, seed ${config.seed}; saving ${every} to ${store}${first}`;
}
