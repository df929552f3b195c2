import { createHash } from "node:crypto";
import type { Kernels } from "./kernels.ts";

/**
 * Hashes what kernels compute: the bits of every operation's result on fixed inputs of shapes that reach every tile.
 * Kernels with equal fingerprints may go on with each other's runs; the file they come from does not matter.
 *
 * @returns SHA-256, hex
 */
export function kernelFingerprint(kernels: Kernels): string {
  const hash = createHash("sha256");
  for (const [rows, inputs, outputs] of [
    [5, 3, 29],
    [1, 7, 22],
    [9, 12, 1],
  ] as const) {
    for (const tensor of computeAll(kernels, rows, inputs, outputs)) hash.update(tensor);
  }
  return hash.digest("hex");
}

function computeAll(kernels: Kernels, rows: number, inputs: number, outputs: number): readonly Float32Array[] {
  const { arena } = kernels;
  const tensors: { at: number; length: number }[] = [];
  let next = 1;
  const tensor = (length: number): number => {
    const at = arena.allocate(length);
    const view = arena.view(at, length);
    for (let i = 0; i < length; i++) {
      // A linear congruence: no call of the engine's own mathematics.
      next = (Math.imul(next, 1_664_525) + 1_013_904_223) >>> 0;
      view[i] = next / 0x8000_0000 - 1;
    }
    tensors.push({ at, length });
    return at;
  };
  const [x, w, b, y] = [tensor(rows * inputs), tensor(inputs * outputs), tensor(outputs), tensor(rows * outputs)];
  const [dw, db, dx] = [tensor(inputs * outputs), tensor(outputs), tensor(rows * inputs)];
  const [m, v, target] = [tensor(inputs * outputs), tensor(inputs * outputs), tensor(inputs * outputs)];
  const [rectified, gradient] = [tensor(rows * outputs), tensor(rows * outputs)];
  kernels.relu(v, inputs * outputs);
  kernels.affine(x, w, b, y, rows, inputs, outputs);
  kernels.tanh(y, rows * outputs);
  kernels.tanhGradient(y, gradient, rows * outputs);
  kernels.relu(rectified, rows * outputs);
  kernels.reluGradient(rectified, gradient, rows * outputs);
  kernels.addColumnSums(gradient, db, rows, outputs);
  kernels.addWeightGradient(x, gradient, dw, rows, inputs, outputs);
  kernels.inputGradient(gradient, w, tensor(inputs * outputs), dx, rows, inputs, outputs);
  tensors.pop(); // The scratch is the implementation's own.
  const step = { step: 1e-3, beta1: 0.9, beta2: 0.999, scale: 31.6, epsilon: 1e-8, decay: 1e-2 };
  kernels.adam(w, dw, m, v, inputs * outputs, step);
  kernels.polyak(target, w, inputs * outputs, 0.005);
  return tensors.map(({ at, length }) => arena.view(at, length));
}
