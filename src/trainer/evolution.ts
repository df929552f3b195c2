import type { Random } from "../index.ts";
import { type Agent, startAfresh } from "./agent.ts";
import type { TrainConfig } from "./contract.ts";
import { blend, type Genome, mutateByFactor, mutateByNoise, swapColumns } from "./genetics.ts";
import type { Kernels } from "./kernels/kernels.ts";
import type { Layer } from "./networks/network.ts";

type Settings = TrainConfig["evolution"];

/** Who makes place for whom. Numbers are places in the population. */
export interface EvolutionPlan {
  /** Best first; these stay as they are. */
  readonly elites: readonly number[];
  readonly offspring: readonly { readonly place: number; readonly first: number; readonly second: number }[];
  readonly mutants: readonly { readonly place: number; readonly parent: number }[];
}

/** The places of a population from the fittest to the least fit; NaN comes last, equals by place. */
export function rankByFitness(fitness: ArrayLike<number>): readonly number[] {
  const value = (place: number): number => {
    const own = fitness[place] as number;
    return Number.isNaN(own) ? Number.NEGATIVE_INFINITY : own;
  };
  return Array.from({ length: fitness.length }, (_, place) => place).sort((a, b) => {
    if (value(a) === value(b)) return a - b;
    return value(a) > value(b) ? -1 : 1;
  });
}

/**
 * Chooses elites, and parents for every place that is to be filled anew: offspring first, mutants last.
 *
 * Parents of a blend (the original) both come from tournaments; in a swap (the paper) the first is an elite. Mutants
 * descend from elites.
 */
export function planEvolution(fitness: ArrayLike<number>, settings: Settings, random: Random): EvolutionPlan {
  const ranked = rankByFitness(fitness);
  const count = ranked.length;
  const eliteCount = Math.min(count, Math.max(1, Math.round(settings.eliteFraction * count)));
  const offspringCount = Math.min(count - eliteCount, Math.round(settings.offspringFraction * count));
  const elites = ranked.slice(0, eliteCount);
  const rankOf = new Map(ranked.map((place, rank) => [place, rank]));
  const elite = () => elites[random.int(elites.length)] as number;
  const tournament = () => {
    let best = random.int(count);
    for (let round = 1; round < settings.tournamentSize; round++) {
      const rival = random.int(count);
      if ((rankOf.get(rival) as number) < (rankOf.get(best) as number)) best = rival;
    }
    return best;
  };
  const offspring = ranked.slice(eliteCount, eliteCount + offspringCount).map((place) => ({
    place,
    first: settings.crossover === "swap" ? elite() : tournament(),
    second: tournament(),
  }));
  const mutants = ranked.slice(eliteCount + offspringCount).map((place) => ({ place, parent: elite() }));
  return { elites, offspring, mutants };
}

/**
 * Replaces all but the elites, in place, by offspring and mutants.
 *
 * Where agents learn, critics are inherited with the actors: blended alike, or, with a swap and in mutants, those of the
 * first parent. Whoever is replaced starts learning afresh, with targets copied from its own new networks and with the
 * first parent's exploration noise.
 */
export function evolve(
  kernels: Kernels,
  agents: readonly Agent[],
  actorLayers: readonly Layer[],
  actorSize: number,
  fitness: ArrayLike<number>,
  settings: Settings,
  random: Random,
): EvolutionPlan {
  const plan = planEvolution(fitness, settings, random);
  // Copies, because parents outside the elite may be replaced before their children are made.
  const parents = agents.map((agent) => ({ genome: copyGenome(kernels, agent, actorSize), noise: agent.noise }));
  const parentAt = (place: number) => parents[place] as (typeof parents)[number];
  const replace = (place: number, genome: Genome, noise: number) => {
    const agent = agents[place] as Agent;
    writeGenome(kernels, agent, genome);
    agent.noise = noise;
    startAfresh(kernels, agent);
  };
  const byFactor = settings.mutationFraction > 0;
  for (const { place, first, second } of plan.offspring) {
    const { genome, noise } = parentAt(first);
    const child = cross(genome, parentAt(second).genome, actorLayers, settings, random);
    if (byFactor && random.uniform() < settings.mutationRate) {
      mutateByFactor(child.actor, actorLayers, settings, random);
    }
    replace(place, child, noise);
  }
  for (const { place, parent } of plan.mutants) {
    const { genome, noise } = parentAt(parent);
    const child = { actor: genome.actor.slice(), critics: genome.critics };
    if (byFactor) mutateByFactor(child.actor, actorLayers, settings, random);
    else mutateByNoise(child.actor, settings, random);
    replace(place, child, noise);
  }
  return plan;
}

function cross(first: Genome, second: Genome, layers: readonly Layer[], settings: Settings, random: Random): Genome {
  if (settings.crossover === "swap") {
    return { actor: swapColumns(first.actor, second.actor, layers, random), critics: first.critics };
  }
  const share = settings.blendLow + (settings.blendHigh - settings.blendLow) * random.uniform();
  return {
    actor: blend(first.actor, second.actor, share),
    critics: first.critics.map((critic, index) => blend(critic, second.critics[index] as Float32Array, share)),
  };
}

function copyGenome({ arena }: Kernels, { actor, mind }: Agent, actorSize: number): Genome {
  return {
    actor: arena.view(actor, actorSize).slice(),
    critics: (mind?.critics ?? []).map(({ online }) => arena.view(online.parameters, online.count).slice()),
  };
}

function writeGenome({ arena }: Kernels, { actor, mind }: Agent, genome: Genome): void {
  arena.view(actor, genome.actor.length).set(genome.actor);
  for (const [index, { online }] of (mind?.critics ?? []).entries()) {
    arena.view(online.parameters, online.count).set(genome.critics[index] as Float32Array);
  }
}
