import { ConfigError, createRandom, type RandomState } from "../index.ts";
import type { Agent } from "./agent.ts";
import { diffConfig, fixedSettings, scheduleOf } from "./config.ts";
import type { Arena } from "./kernels/kernels.ts";
import type { Trainable } from "./networks/optimizer.ts";
import { assertStateFits } from "./state-check.ts";
import type { Trainer } from "./trainer.ts";

const FORMAT = 1;

interface MomentsState {
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly steps: number;
}

interface AgentState {
  readonly actor: Float32Array;
  readonly noise: number;
  readonly mind: {
    readonly actor: MomentsState;
    readonly actorTarget: Float32Array;
    readonly critics: readonly (MomentsState & { readonly parameters: Float32Array; readonly target: Float32Array })[];
    readonly updates: number;
  } | null;
}

/** All that a run needs to go on exactly, beside its buffer. What `stateHash` is taken over. */
export interface TrainerState {
  readonly format: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly kernels: string;
  readonly generation: number;
  readonly frames: number;
  /** [generations × population] */
  readonly fitness: Float64Array;
  /** [generations] */
  readonly validation: Float64Array;
  readonly champion: { readonly generation: number; readonly score: number; readonly actor: Float32Array };
  readonly random: { readonly evolution: RandomState; readonly learning: RandomState };
  readonly population: readonly AgentState[];
  readonly learner: AgentState | null;
}

/**
 * Collects what lasts of a trainer. Tensors are views of its memory, not copies: they are to be used before training
 * goes on.
 */
export function captureState(trainer: Trainer): TrainerState {
  const { progress, champion, streams, apprentice } = trainer;
  return {
    format: FORMAT,
    config: fixedSettings(trainer.config),
    ...trainer.fingerprints,
    generation: progress.generation,
    frames: progress.frames,
    fitness: Float64Array.from(progress.fitness.flatMap((values) => [...values])),
    validation: Float64Array.from(progress.validation),
    champion: { ...champion },
    random: { evolution: streams.evolution.state(), learning: streams.learning.state() },
    population: trainer.population.map((agent) => captureAgent(trainer, agent)),
    learner: apprentice === null ? null : captureAgent(trainer, apprentice),
  };
}

/** What a checkpoint holds. */
export interface SavedState extends TrainerState {
  /**
   * How long the run is to be and how often it saves, so that it goes on as it was started. Apart from what is hashed:
   * a run that is extended ends with the hash of one that was never interrupted. Absent in older checkpoints.
   */
  readonly schedule?: Readonly<Record<string, unknown>> | undefined;
}

/** `captureState`, and what a resumed run may change. */
export function captureForSave(trainer: Trainer): SavedState {
  return { ...captureState(trainer), schedule: scheduleOf(trainer.config) };
}

function captureAgent({ kernels, networks }: Trainer, { actor, noise, mind }: Agent): AgentState {
  const { arena } = kernels;
  const moments = ({ m, v, count, steps }: Trainable) => ({ m: arena.view(m, count), v: arena.view(v, count), steps });
  return {
    actor: arena.view(actor, networks.actor.parameterCount),
    noise,
    mind: mind && {
      actor: moments(mind.actor),
      actorTarget: arena.view(mind.actorTarget, mind.actor.count),
      critics: mind.critics.map(({ online, target }) => ({
        parameters: arena.view(online.parameters, online.count),
        ...moments(online),
        target: arena.view(target, online.count),
      })),
      updates: mind.updates,
    },
  };
}

/**
 * Refuses a checkpoint that this run cannot go on from.
 *
 * @throws ConfigError naming every setting that differs
 */
export function assertResumable({ config, fingerprints }: Trainer, state: TrainerState): void {
  if (state?.format !== FORMAT) {
    const format = typeof state?.format === "number" ? state.format : "unknown";
    throw new ConfigError(`The checkpoint's trainer state has format ${format}, expected ${FORMAT}`);
  }
  const environment = (value: unknown) => ({ [`${config.environment} data`]: value });
  const differences = [
    ...diffConfig(state.config, fixedSettings(config)),
    ...diffConfig(environment(state.environment), environment(fingerprints.environment)),
    ...diffConfig({ kernels: state.kernels }, { kernels: fingerprints.kernels }),
  ];
  if (differences.length === 0) return;
  throw new ConfigError(`The checkpoint was made with a different configuration: ${differences.join("; ")}`, {
    hint: "Resume with the settings it was started with, or start a new run in a store of its own.",
  });
}

/**
 * Puts a trainer, as `createTrainer` made it, into a saved state. The buffer is restored apart.
 *
 * @throws ConfigError when the state does not fit; the trainer is then as it was
 */
export function applyState(trainer: Trainer, state: TrainerState): void {
  const { progress, champion, streams, config } = trainer;
  assertFits(trainer, state);
  progress.generation = state.generation;
  progress.frames = state.frames;
  for (let generation = 0; generation < state.generation; generation++) {
    const from = generation * config.population;
    progress.fitness.push(state.fitness.slice(from, from + config.population));
    progress.validation.push(state.validation[generation] as number);
  }
  champion.generation = state.champion.generation;
  champion.score = state.champion.score;
  champion.actor.set(state.champion.actor);
  streams.evolution.setState(state.random.evolution);
  streams.learning.setState(state.random.learning);
  const { arena } = trainer.kernels;
  for (const [place, agent] of trainer.population.entries()) {
    applyAgent(arena, agent, state.population[place] as AgentState);
  }
  if (trainer.apprentice !== null) applyAgent(arena, trainer.apprentice, state.learner as AgentState);
}

function assertFits(trainer: Trainer, state: TrainerState): void {
  const {
    config: _config,
    environment: _environment,
    kernels: _kernels,
    random: _random,
    ...pattern
  } = captureState(trainer);
  const generation = typeof state.generation === "number" ? state.generation : Number.NaN;
  const growing = { fitness: generation * trainer.config.population, validation: generation };
  assertStateFits(state, { ...pattern, random: {} }, growing);
  for (const name of ["evolution", "learning"] as const) {
    try {
      createRandom(0).setState(state.random[name]);
    } catch (cause) {
      throw new ConfigError(`The checkpoint's trainer state does not fit this run: random.${name} is no generator's`, {
        cause,
      });
    }
  }
}

function applyAgent(arena: Arena, agent: Agent, state: AgentState): void {
  const put = (at: number, values: Float32Array) => arena.view(at, values.length).set(values);
  const putMoments = (trainable: Trainable, { m, v, steps }: MomentsState) => {
    put(trainable.m, m);
    put(trainable.v, v);
    trainable.steps = steps;
  };
  put(agent.actor, state.actor);
  agent.noise = state.noise;
  if (agent.mind === null || state.mind === null) return;
  putMoments(agent.mind.actor, state.mind.actor);
  put(agent.mind.actorTarget, state.mind.actorTarget);
  for (const [index, { online, target }] of agent.mind.critics.entries()) {
    const saved = state.mind.critics[index] as (typeof state.mind.critics)[number];
    put(online.parameters, saved.parameters);
    putMoments(online, saved);
    put(target, saved.target);
  }
  agent.mind.updates = state.mind.updates;
}
