import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/index.ts";
import { createActor, createLearningAgent, type Networks } from "../../src/trainer/agent.ts";
import { defaultConfig } from "../../src/trainer/config.ts";
import { evolve, planEvolution, rankByFitness } from "../../src/trainer/evolution.ts";
import { blend, mutateByFactor, mutateByNoise, swapColumns } from "../../src/trainer/genetics.ts";
import { createTypeScriptKernels } from "../../src/trainer/kernels/typescript-kernels.ts";
import { Network } from "../../src/trainer/networks/network.ts";

const original = defaultConfig("market").evolution;
const paper = defaultConfig("pendulum").evolution;

function createNetworks() {
  const kernels = createTypeScriptKernels();
  const networks: Networks = {
    actor: new Network(kernels, [3, 4, 2], "tanh", 1),
    critic: new Network(kernels, [5, 4, 1], "linear", 1),
    criticCount: 1,
  };
  return { kernels, networks };
}

describe("ranking", () => {
  it("puts the fittest first, equals by place, NaN last", () => {
    expect(rankByFitness([1, Number.NaN, 3, -Infinity, 3])).toEqual([2, 4, 0, 1, 3]);
    expect(rankByFitness([-Infinity, Number.NaN, -10_000])).toEqual([2, 0, 1]);
  });
});

describe("the plan of a generation", () => {
  it("keeps 8 of 16, fills 6 places by crossover and 2 by mutants: the original's sizes", () => {
    const fitness = Array.from({ length: 16 }, (_, place) => -place);
    const plan = planEvolution(fitness, original, createRandom(1));
    expect(plan.elites).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(plan.offspring.map(({ place }) => place)).toEqual([8, 9, 10, 11, 12, 13]);
    expect(plan.mutants.map(({ place }) => place)).toEqual([14, 15]);
    for (const { parent } of plan.mutants) expect(parent).toBeLessThan(8);
  });

  it("lets the best of a tournament win: the larger it is, the fitter the parents", () => {
    const fitness = Array.from({ length: 16 }, (_, place) => -place);
    const meanRank = (tournamentSize: number) => {
      const random = createRandom(2);
      let sum = 0;
      for (let round = 0; round < 200; round++) {
        const { offspring } = planEvolution(fitness, { ...original, tournamentSize }, random);
        for (const { first, second } of offspring) sum += (first + second) / (200 * 6 * 2);
      }
      return sum;
    };
    // The least of k uniform draws from 0..15 has the mean sum((1 - i/16)^k, i = 1..15): 7.5, and 3.515 for k = 3.
    expect(meanRank(1)).toBeGreaterThan(7.1);
    expect(meanRank(1)).toBeLessThan(7.9);
    expect(meanRank(3)).toBeGreaterThan(3.2);
    expect(meanRank(3)).toBeLessThan(3.8);
  });

  it("always keeps the best, however small the elite", () => {
    const plan = planEvolution([1, 5, 2], { ...paper, eliteFraction: 0, offspringFraction: 1 }, createRandom(1));
    expect(plan.elites).toEqual([1]);
    expect(plan.offspring.map(({ place }) => place)).toEqual([2, 0]);
  });
});

describe("operators", () => {
  const layers = [{ inputs: 2, outputs: 3, weights: 0, biases: 6 }];

  it("blend weight by weight", () => {
    expect([...blend(Float32Array.of(1, 2), Float32Array.of(3, -2), 0.25)]).toEqual([2.5, -1]);
  });

  it("swap whole neurons: incoming weights together with the bias", () => {
    const [first, second] = [new Float32Array(9).fill(1), new Float32Array(9).fill(2)];
    const seen = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const child = swapColumns(first, second, layers, createRandom(seed));
      for (let neuron = 0; neuron < 3; neuron++) {
        expect(new Set([child[neuron], child[3 + neuron], child[6 + neuron]]).size).toBe(1);
      }
      seen.add(child.subarray(6).join());
    }
    expect(seen.size).toBeGreaterThan(3);
    expect([...first]).toEqual(Array(9).fill(1));
  });

  it("mutate about one weight in ten by a Gaussian of the given strength", () => {
    const weights = new Float32Array(20_000);
    mutateByNoise(weights, { mutationRate: 0.1, mutationStrength: 0.01 }, createRandom(3));
    const changed = weights.filter((weight) => weight !== 0);
    expect(changed.length).toBeGreaterThan(1_850);
    expect(changed.length).toBeLessThan(2_150);
    const deviation = Math.sqrt(changed.reduce((sum, weight) => sum + weight * weight, 0) / changed.length);
    expect(deviation).toBeGreaterThan(0.0095);
    expect(deviation).toBeLessThan(0.0105);
  });

  it("mutate by factors only within their share, leave biases alone and stay finite", () => {
    const wide = [{ inputs: 50, outputs: 20, weights: 0, biases: 1_000 }];
    for (let seed = 0; seed < 20; seed++) {
      const weights = new Float32Array(1_020).fill(1);
      mutateByFactor(weights, wide, { ...paper, mutationFraction: 0.1 }, createRandom(seed));
      expect(weights.filter((weight) => weight !== 1).length).toBeLessThan(100);
      expect(weights.subarray(1_000).every((bias) => bias === 1)).toBe(true);
    }
    const huge = new Float32Array(1_020).fill(1e6);
    mutateByFactor(huge, wide, { ...paper, mutationFraction: 1 }, createRandom(1));
    expect(huge.every((weight) => Math.abs(weight) <= 1e6)).toBe(true);
  });
});

describe("a generation's evolution", () => {
  it("leaves elites as they are and starts offspring afresh, targets copied from its own networks", () => {
    const { kernels, networks } = createNetworks();
    const random = createRandom(5);
    const agents = [0, 1, 2, 3].map(() => createLearningAgent(kernels, networks, 0.1, random));
    for (const { mind } of agents) {
      if (mind === null) throw new Error("expected an agent that learns");
      kernels.arena.view(mind.actor.m, mind.actor.count).fill(0.5);
      kernels.arena.view(mind.actorTarget, mind.actor.count).fill(9);
      mind.actor.steps = 7;
      mind.updates = 7;
    }
    const before = kernels.arena.values.slice();
    const { actor } = networks;
    const settings = { ...original, eliteFraction: 0.5, offspringFraction: 0.25 };
    const plan = evolve(kernels, agents, actor.layers, actor.parameterCount, [4, 3, 2, 1], settings, random);
    expect(plan).toMatchObject({ elites: [0, 1], offspring: [{ place: 2 }], mutants: [{ place: 3 }] });
    const { arena } = kernels;
    for (const [place, agent] of agents.entries()) {
      const { mind } = agent;
      if (mind === null) throw new Error("expected an agent that learns");
      const parameters = arena.view(mind.actor.parameters, mind.actor.count);
      const isElite = place < 2;
      const unchanged = before.subarray(agent.actor, agent.actor + mind.actor.count);
      expect(Buffer.from(parameters.slice().buffer).equals(Buffer.from(unchanged.slice().buffer))).toBe(isElite);
      expect([mind.updates, mind.actor.steps]).toEqual(isElite ? [7, 7] : [0, 0]);
      expect(arena.view(mind.actor.m, 1)[0]).toBe(isElite ? 0.5 : 0);
      const target = arena.view(mind.actorTarget, mind.actor.count);
      if (isElite) expect(target.every((value) => value === 9)).toBe(true);
      else expect(target).toEqual(parameters);
    }
  });

  it("makes children from parents as they were, also from those that it replaces", () => {
    const { kernels, networks } = createNetworks();
    const agents = [1, 2, 3].map((value) => {
      const agent = createActor(kernels, networks, createRandom(value));
      kernels.arena.view(agent.actor, networks.actor.parameterCount).fill(value);
      return agent;
    });
    const { actor } = networks;
    const settings = { ...original, eliteFraction: 0.3, offspringFraction: 0.7, blendLow: 0.5, blendHigh: 0.5 };
    for (let seed = 0; seed < 10; seed++) {
      for (const [index, { actor: at }] of agents.entries())
        kernels.arena.view(at, actor.parameterCount).fill(index + 1);
      const { offspring } = evolve(
        kernels,
        agents,
        actor.layers,
        actor.parameterCount,
        [3, 2, 1],
        settings,
        createRandom(seed),
      );
      for (const { place, first, second } of offspring) {
        const child = kernels.arena.view(agents[place]?.actor as number, actor.parameterCount);
        expect(child.every((weight) => weight === (first + 1 + second + 1) / 2)).toBe(true);
      }
    }
  });
});
