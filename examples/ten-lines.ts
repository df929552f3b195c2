import { Checkpointer, ReplayBuffer } from "varve"; // 1

const fields = { observation: { dtype: "float32", shape: [3] }, action: { dtype: "float32", shape: [1] } } as const; // 2
const buffer = new ReplayBuffer({ capacity: 50_000, seed: 1, fields }); // 3
const checkpointer = await Checkpointer.open({ store: "./runs/my-run", keepLast: 3 }); // 4
const restored = await checkpointer.restore({ buffer }); // 5
const { step, state } = restored ?? { step: 0, state: { weights: new Float32Array(3) } }; // 6
console.log(`starting at episode ${step} with ${buffer.size} transitions`);

const weights: Float32Array = state.weights;
const observe = (angle: number, speed: number) => Float32Array.of(Math.cos(angle), Math.sin(angle), speed);
for (let episode = step; episode < step + 5; episode++) {
  let [angle, speed] = [Math.PI, episode % 7];
  for (let time = 1; time <= 200; time++) {
    const observation = observe(angle, speed);
    const torque = 2 * Math.tanh(observation.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0));
    speed += 0.05 * (15 * Math.sin(angle) + 3 * torque);
    angle += 0.05 * speed;
    const [reward, nextObservation] = [Math.cos(angle), observe(angle, speed)];
    const ended = { terminated: false, truncated: time === 200 };
    buffer.add({ observation, action: Float32Array.of(torque), reward, nextObservation, ...ended }); // 7
  }
  const batch = buffer.sample(64); // 8
  for (let i = 0; i < 3; i++) weights[i] = (weights[i] ?? 0) + 0.001 * (batch.reward[i] ?? 0);
  checkpointer.save({ step: episode + 1, buffer, state: { weights } }); // 9: returns at once
}
await checkpointer.close(); // 10: waits for what is still being written
console.log(`ended with ${buffer.size} transitions`);
