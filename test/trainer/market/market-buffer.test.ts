import { expect, test } from "vitest";
import { createRandom, ReplayBuffer } from "../../../src/index.ts";
import { createMarketFactory } from "../../../src/trainer/market/market.ts";

test("market's windows are interned: a day is held once, however many windows of however many agents hold it", () => {
  const environment = createMarketFactory().create("training");
  const buffer = new ReplayBuffer({
    capacity: 3000,
    fields: {
      observation: { dtype: "float32", shape: [504, 1, 9], frames: 504 },
      action: { dtype: "float32", shape: [1, 2] },
    },
  });
  const random = createRandom(1);
  const observation = new Float32Array(environment.observation.length);
  const action = new Float32Array(2);
  const days = new Set<string>();
  const noteDays = (from: number) => {
    const { observation } = environment;
    for (let day = from; day < 504; day += 1) days.add(observation.subarray(9 * day, 9 * day + 9).join());
  };
  for (let episode = 0; episode < 20; episode += 1) {
    environment.reset(episode);
    noteDays(0);
    for (let done = false; !done; ) {
      observation.set(environment.observation);
      action.set([5 * random.uniform(), 50 * random.uniform()]);
      const { reward, terminated } = environment.step(action);
      const nextObservation = environment.observation;
      buffer.add({ observation, action, reward, nextObservation, terminated, truncated: false }, { env: episode % 4 });
      noteDays(503);
      done = terminated;
    }
  }
  const { size, uniqueFrames, logicalBytes, residentBytes } = buffer.stats();
  expect(size).toBe(2900);
  expect(uniqueFrames).toBe(days.size);
  expect(uniqueFrames).toBeLessThanOrEqual(3572); // the days of the training part
  expect(logicalBytes).toBeGreaterThan(2900 * 2 * 504 * 36);
  expect(residentBytes).toBeLessThan(logicalBytes / 5);
});
