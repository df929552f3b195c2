import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/index.ts";
import { createLearningAgent, type Networks } from "../../src/trainer/agent.ts";
import { parseConfig } from "../../src/trainer/config.ts";
import type { Environment } from "../../src/trainer/environment.ts";
import { loadWasmKernels } from "../../src/trainer/kernels/wasm-kernels.ts";
import { Learner } from "../../src/trainer/learner.ts";
import { Network } from "../../src/trainer/networks/network.ts";
import { ActionScale, Policy } from "../../src/trainer/policy.ts";
import { createReplay } from "../../src/trainer/replay.ts";

/** One step an episode: the best action is twice the observation. */
const matching: Omit<Environment, "reset" | "step"> = {
  name: "matching",
  observationSpace: { dtype: "float32", shape: [1] },
  actionSpace: { shape: [1], low: Float32Array.of(-3), high: Float32Array.of(3) },
  encoder: {
    featureCount: 1,
    encode(observations, at, out, outAt) {
      out[outAt] = observations[at] as number;
    },
  },
  observation: new Float32Array(1),
};

function learnMatching(overrides: object) {
  const config = parseConfig("pendulum", { hiddenSizes: [32, 32], learner: { batchSize: 64 } }, overrides);
  const environment = matching as Environment;
  const kernels = loadWasmKernels();
  const rows = config.learner.batchSize * config.learner.batchesPerStep;
  const networks: Networks = {
    actor: new Network(kernels, [1, 32, 32, 1], "tanh", rows),
    critic: new Network(kernels, [2, 32, 32, 1], "linear", rows),
    criticCount: config.algorithm === "td3" ? 2 : 1,
  };
  const random = createRandom(1);
  const scale = new ActionScale(environment.actionSpace);
  const learner = new Learner({ kernels, networks, config, encoder: environment.encoder, scale }, 1);
  const agent = createLearningAgent(kernels, networks, 0, random);
  const policy = new Policy(kernels, networks.actor, environment);
  const replay = createReplay(config, environment);
  const nextObservation = Float32Array.of(0);
  for (let row = 0; row < 2_000; row++) {
    const [x, a] = [2 * random.uniform() - 1, 6 * random.uniform() - 3];
    const [observation, action] = [Float32Array.of(x), Float32Array.of(a)];
    const transition = { observation, action, reward: -((a - 2 * x) ** 2), nextObservation };
    replay.add({ ...transition, terminated: true, truncated: false });
  }
  const losses = Array.from({ length: 4_000 }, () => learner.step(agent, replay, random));
  const action = new Float32Array(1);
  const misses = [-0.8, -0.3, 0, 0.4, 0.9].map((x) => {
    policy.act(agent.actor, Float32Array.of(x), 0, random, action);
    return Math.abs((action[0] as number) - 2 * x);
  });
  return { losses, worst: Math.max(...misses), replay };
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("the learner", () => {
  it.each([
    ["TD3", {}],
    ["DDPG", { algorithm: "ddpg", learner: { policyDelay: 1 } }],
    [
      "DDPG with four batches a step",
      { algorithm: "ddpg", learner: { policyDelay: 1, batchSize: 16, batchesPerStep: 4 } },
    ],
    ["TD3 with priorities", { buffer: { prioritized: { alpha: 0.6, beta: 0.4 } } }],
  ])("%s finds the best action of a one-step task", (_name, overrides) => {
    const { losses, worst } = learnMatching(overrides);
    expect(average(losses.slice(-50))).toBeLessThan(average(losses.slice(0, 50)) / 20);
    expect(worst).toBeLessThan(0.35);
  });

  it("gives rows that the critic was wrong about a higher priority", () => {
    const { replay } = learnMatching({ buffer: { prioritized: { alpha: 0.6, beta: 0.4 } } });
    const weights = replay.sample(256).weights;
    expect(new Set(weights).size).toBeGreaterThan(100);
  });
});
