import { performance } from "node:perf_hooks";
import { setImmediate as eventLoop } from "node:timers/promises";
import { type Save, stateHash } from "../index.ts";
import { judgeChampion, Selection } from "./champion.ts";
import type { GenerationReport, TrainHooks, TrainInput, TrainResult } from "./contract.ts";
import { evaluate, evolvePopulation, type LearnReport, learn } from "./stages.ts";
import { createTrainer, type Trainer } from "./trainer.ts";
import { applyState, assertResumable, captureForSave, captureState, type TrainerState } from "./trainer-state.ts";

/**
 * Trains a population by evolutionary reinforcement learning, saving as it goes.
 *
 * Equal configurations give equal results on any machine, whenever and however often they are saved, interrupted and
 * resumed: what a generation computes depends on the state after the one before and on nothing else.
 *
 * @throws ConfigError when the checkpoint to resume was made with a different configuration
 * Source: Khadka & Tumer 2018, and the variant of it in which every agent learns.
 */
export async function train(input: TrainInput): Promise<TrainResult> {
  const { config, environment, checkpointer, hooks = {} } = input;
  const trainer = createTrainer(input);
  const stop = new StopSwitch(hooks);
  const pause = () => stop.pause();
  const selection = new Selection(trainer, environment);
  const { progress, replay } = trainer;
  const reports: GenerationReport[] = [];
  let hasCheckpoint = await resume(trainer, input);
  if (!hasCheckpoint) hooks.onStarted?.();

  while (progress.generation < config.generations && !stop.isAsked) {
    const watch = new Stopwatch();
    const framesBefore = progress.frames;

    const fitness = await evaluate(trainer, pause);
    selection.considerFitness(fitness);
    const evaluateMs = watch.lap();

    const learned = await learn(trainer, progress.frames - framesBefore, pause);
    const learnMs = watch.lap();

    evolvePopulation(trainer, fitness);
    const validation = await selection.validate(fitness, pause);
    const evolveMs = watch.lap();

    progress.fitness.push(fitness);
    progress.validation.push(validation ?? Number.NaN);
    progress.generation++;

    const isLast = progress.generation === config.generations || stop.isAsked;
    // The original's schedule: however rarely it saves, a full buffer is not left without a checkpoint.
    const isFirstFull = replay.isFull && !hasCheckpoint;
    const isDue = progress.generation % config.saveEvery === 0 || isLast || isFirstFull;
    const save = isDue ? saveCheckpoint(trainer, checkpointer, fitness, validation) : undefined;
    hasCheckpoint ||= save !== undefined;

    const times = { evaluateMs, learnMs, evolveMs, generationMs: watch.total() };
    const report = describeGeneration(trainer, fitness, validation, learned, times, save);
    reports.push(report);
    hooks.onGeneration?.(report, replay.stats());
  }

  return {
    generations: progress.generation,
    frames: progress.frames,
    finished: progress.generation >= config.generations,
    stateHash: stateHash({ buffer: replay, state: captureState(trainer) }),
    champion: await judgeChampion(trainer, environment, pause),
    reports,
    buffer: replay,
  };
}

/** Goes back to a checkpoint, if that was asked for and there is one; returns whether it did. */
async function resume(trainer: Trainer, { checkpointer, resume: asked, hooks }: TrainInput): Promise<boolean> {
  if (checkpointer === undefined || asked === undefined) return false;
  const which = asked.step === undefined ? {} : { step: asked.step };
  // First without the buffer: a different configuration is told by its settings, not by the fields that follow from it.
  const glance = await checkpointer.restore(which);
  if (glance === null) return false;
  assertResumable(trainer, glance.state as TrainerState);
  const restored = await checkpointer.restore({ ...which, buffer: trainer.replay });
  if (restored === null) return false;
  // Not always the same: a buffer that turns out to be damaged makes the second one fall back further.
  assertResumable(trainer, restored.state as TrainerState);
  applyState(trainer, restored.state as TrainerState);
  hooks?.onRestored?.(restored.step, restored.sequence);
  return true;
}

/** Returns at once: everything but noting what is to be saved happens in other threads, while training goes on. */
function saveCheckpoint(
  trainer: Trainer,
  checkpointer: TrainInput["checkpointer"],
  fitness: Float64Array,
  validation: number | null,
): Save | undefined {
  const { progress, champion, replay } = trainer;
  const measured = {
    fitnessMean: mean(fitness),
    fitnessMax: Math.max(...fitness),
    validation,
    championScore: champion.score,
    frames: progress.frames,
  };
  const metrics = Object.entries(measured).filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
  return checkpointer?.save({
    step: progress.generation,
    buffer: replay,
    state: captureForSave(trainer),
    metrics: Object.fromEntries(metrics),
  });
}

type Times = Pick<GenerationReport, "evaluateMs" | "learnMs" | "evolveMs" | "generationMs">;

function describeGeneration(
  { config, progress, replay }: Trainer,
  fitness: Float64Array,
  validation: number | null,
  learned: LearnReport,
  times: Times,
  save: Save | undefined,
): GenerationReport {
  const fitnessMean = mean(fitness);
  return {
    generation: progress.generation,
    generations: config.generations,
    frames: progress.frames,
    fitnessMean,
    fitnessMax: Math.max(...fitness),
    fitnessSpread: Math.sqrt(mean(fitness.map((value) => (value - fitnessMean) ** 2))),
    validation,
    bufferSize: replay.size,
    bufferCapacity: replay.capacity,
    learningStarts: config.buffer.learningStarts,
    ...learned,
    ...times,
    blockedMs: save?.blockedMs ?? 0,
    saved: save !== undefined,
  };
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Remembers that someone asked to stop: training goes on to the end of the generation, whatever is asked then. */
class StopSwitch {
  readonly #hooks: TrainHooks;
  #asked = false;

  constructor(hooks: TrainHooks) {
    this.#hooks = hooks;
  }

  get isAsked(): boolean {
    return this.#asked;
  }

  async pause(): Promise<void> {
    await eventLoop();
    this.#asked ||= this.#hooks.shouldStop?.() ?? false;
  }
}

/** Times for reports; nothing that training computes depends on them. */
class Stopwatch {
  readonly #start = performance.now();
  #lapStart = this.#start;

  lap(): number {
    const now = performance.now();
    const elapsed = now - this.#lapStart;
    this.#lapStart = now;
    return elapsed;
  }

  total(): number {
    return performance.now() - this.#start;
  }
}
