// Deep Q-learning on CartPole with eight environments, saved every 1,000 steps, interrupted, and resumed exactly.
//
//   node examples/dqn.ts
//
// It shows two things:
//
// 1. Vector environments restart by themselves, in one of two ways (Gymnasium's names):
//    - "same-step": the step that ends an episode already returns the first observation of the next one; the last
//      observation of the old episode comes beside it. Every step is a transition.
//    - "next-step": the step that ends an episode returns its last observation, and the step after that resets and
//      ignores its action. That step is no transition: `mask` leaves it out.
//    Either way the buffer holds real transitions only.
// 2. A checkpoint of buffer, network and all else that decides the future: a run that was interrupted and resumed
//    ends with the same weights, bit for bit, as one that was not.
//
// In a project of your own, import from "varve".
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Checkpointer, createRandom, ReplayBuffer } from "../src/index.ts";
import { type AutoresetMode, CartPoles } from "./support/cart-poles.ts";
import { QNetwork } from "./support/q-network.ts";

const ENVS = 8;
const STEPS = 5000;
const SAVE_EVERY = 1000;
const TRAIN_EVERY = 2;
const BATCH = 64;
const WARM_UP = 500;
const GAMMA = 0.99;
const LEARNING_RATE = 0.002;
const TARGET_EVERY = 250;

const fields = {
  observation: { dtype: "float32", shape: [4] },
  action: { dtype: "uint8", shape: [] },
} as const;

class Dqn {
  readonly buffer = new ReplayBuffer({ capacity: 20_000, seed: 1, fields });
  readonly envs: CartPoles;
  readonly network: QNetwork = new QNetwork([4, 32, 2], createRandom(2));
  readonly target: QNetwork = new QNetwork([4, 32, 2], createRandom(2));
  readonly random = createRandom(3);
  readonly #actions = new Uint8Array(ENVS);
  readonly #targets = new Float32Array(BATCH);
  #batch: ReturnType<typeof this.buffer.sample> | undefined;
  step = 0;

  constructor(autoreset: AutoresetMode) {
    this.envs = new CartPoles(ENVS, autoreset, createRandom(4));
  }

  /** One step of all environments, and now and then one of learning. */
  advance(): void {
    const observation = this.envs.observation.slice();
    const epsilon = Math.max(0.05, 1 - this.step / 2000);
    for (let env = 0; env < ENVS; env++) {
      const explores = this.random.uniform() < epsilon;
      const best = this.network.best(observation.subarray(4 * env, 4 * env + 4));
      this.#actions[env] = explores ? this.random.int(2) : best;
    }
    // `mask` is 0 where this step only resets: there is nothing to learn from it.
    const { reward, terminated, truncated, finalObservation, mask } = this.envs.step(this.#actions);
    const action = this.#actions;
    this.buffer.addBatch(
      { observation, action, reward, nextObservation: finalObservation, terminated, truncated },
      { mask },
    );
    this.step += 1;
    if (this.buffer.size >= WARM_UP && this.step % TRAIN_EVERY === 0) this.#learn();
    if (this.step % TARGET_EVERY === 0) this.target.copyFrom(this.network);
  }

  #learn(): void {
    const batch = this.buffer.sample(BATCH, { out: this.#batch });
    this.#batch = batch;
    for (let i = 0; i < BATCH; i++) {
      const next = batch.nextObservation.subarray(4 * i, 4 * i + 4);
      // Only a terminated episode has no future; a truncated one would have gone on.
      const future = batch.terminated[i] === 1 ? 0 : GAMMA * this.target.highest(next);
      this.#targets[i] = (batch.reward[i] ?? 0) + future;
    }
    this.network.learn(batch.observation, batch.action, this.#targets, LEARNING_RATE);
  }

  /** All that decides how training goes on, but for the buffer, which brings its own generator. */
  state() {
    const { network, target, envs, random } = this;
    return { network: network.state(), target: target.state(), envs: envs.state(), random: random.state() };
  }

  setState(step: number, state: ReturnType<Dqn["state"]>): void {
    this.step = step;
    this.network.setState(state.network);
    this.target.setState(state.target);
    this.envs.setState(state.envs);
    this.random.setState(state.random);
  }
}

/** Trains until `until`, from the newest checkpoint in `store` if there is one. */
async function train(store: string, autoreset: AutoresetMode, until: number): Promise<Dqn> {
  const dqn = new Dqn(autoreset);
  await using checkpointer = await Checkpointer.open({ store, keepLast: 2 });
  const restored = await checkpointer.restore({ buffer: dqn.buffer });
  if (restored !== null) dqn.setState(restored.step, restored.state);
  while (dqn.step < until) {
    dqn.advance();
    if (dqn.step % SAVE_EVERY === 0) {
      checkpointer.save({ step: dqn.step, buffer: dqn.buffer, state: dqn.state() }); // returns at once
    }
  }
  return dqn;
}

const folder = mkdtempSync(join(tmpdir(), "varve-dqn-"));
try {
  for (const autoreset of ["same-step", "next-step"] as const) {
    const whole = await train(join(folder, `${autoreset}-whole`), autoreset, STEPS);
    // The same run, interrupted between two saves: what came after the last save is gone, and is done again.
    await train(join(folder, `${autoreset}-parts`), autoreset, 2 * SAVE_EVERY + 700);
    const resumed = await train(join(folder, `${autoreset}-parts`), autoreset, STEPS);

    assert.equal(resumed.buffer.totalAdded, whole.buffer.totalAdded);
    assert.deepEqual(resumed.network.state(), whole.network.state(), "a resumed run must end with the same weights");
    assert.deepEqual(resumed.buffer.sample(32), whole.buffer.sample(32), "and draw the same rows next");
    const resets = STEPS * ENVS - whole.buffer.totalAdded;
    assert.ok(
      autoreset === "next-step" ? resets > 0 : resets === 0,
      "only next-step has steps that are no transitions",
    );
    const [early, late] = [whole.envs.meanLength(0, 0.25), whole.envs.meanLength(0.75, 1)];
    assert.ok(late > 2 * early, `the pole must stay up longer at the end (${late} steps) than at first (${early})`);
    console.log(
      `${autoreset}: ${whole.buffer.totalAdded} transitions, ${resets} reset steps left out; episodes of ` +
        `${early.toFixed(0)} steps at first, ${late.toFixed(0)} at the end; resumed run equal bit for bit`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
