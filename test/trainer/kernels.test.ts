import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/index.ts";
import { kernelFingerprint } from "../../src/trainer/kernels/fingerprint.ts";
import type { Kernels } from "../../src/trainer/kernels/kernels.ts";
import { createTypeScriptKernels } from "../../src/trainer/kernels/typescript-kernels.ts";
import { loadWasmKernels } from "../../src/trainer/kernels/wasm-kernels.ts";

const IMPLEMENTATIONS = { wasm: loadWasmKernels, typescript: createTypeScriptKernels };

/** Bytes, so that -0 and 0, or two NaNs, are not taken for equal. */
function bytesOf(kernels: Kernels, at: number, length: number): Buffer {
  const view = kernels.arena.view(at, length);
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

function fill(kernels: Kernels, length: number, seed: number, scale = 1): number {
  const at = kernels.arena.allocate(length);
  const random = createRandom(seed);
  const view = kernels.arena.view(at, length);
  for (let i = 0; i < length; i++) view[i] = random.normal() * scale;
  return at;
}

/** Runs the same operations with both implementations; each returns the tensor to compare. */
function expectSameBits(length: number, compute: (kernels: Kernels) => number): void {
  const [wasm, twin] = [loadWasmKernels(), createTypeScriptKernels()];
  expect(bytesOf(wasm, compute(wasm), length).equals(bytesOf(twin, compute(twin), length))).toBe(true);
}

describe("WASM and its TypeScript twin", () => {
  const shapes = [
    [1, 1, 1],
    [1, 17, 64],
    [3, 5, 31],
    [4, 8, 8],
    [7, 3, 12],
    [128, 23, 64],
    [33, 64, 1],
  ] as const;

  it.each(shapes)("agree bit for bit on layers of %i rows, %i inputs, %i outputs", (rows, inputs, outputs) => {
    expectSameBits(rows * outputs, (kernels) => {
      const [x, w, b] = [
        fill(kernels, rows * inputs, 1),
        fill(kernels, inputs * outputs, 2),
        fill(kernels, outputs, 3),
      ];
      const y = kernels.arena.allocate(rows * outputs);
      kernels.affine(x, w, b, y, rows, inputs, outputs);
      return y;
    });
    expectSameBits(inputs * outputs, (kernels) => {
      const [x, dy] = [fill(kernels, rows * inputs, 4), fill(kernels, rows * outputs, 5)];
      const dw = fill(kernels, inputs * outputs, 6);
      kernels.addWeightGradient(x, dy, dw, rows, inputs, outputs);
      return dw;
    });
    expectSameBits(rows * inputs, (kernels) => {
      const [dy, w] = [fill(kernels, rows * outputs, 7), fill(kernels, inputs * outputs, 8)];
      const [scratch, dx] = [kernels.arena.allocate(inputs * outputs), kernels.arena.allocate(rows * inputs)];
      kernels.inputGradient(dy, w, scratch, dx, rows, inputs, outputs);
      return dx;
    });
    expectSameBits(outputs, (kernels) => {
      const [x, sums] = [fill(kernels, rows * outputs, 9), fill(kernels, outputs, 10)];
      kernels.addColumnSums(x, sums, rows, outputs);
      return sums;
    });
  });

  it.each([1, 4, 4099])("agree bit for bit on activations and updates of %i elements", (count) => {
    const scales = { small: 1e-3, usual: 3, large: 1e6 };
    for (const scale of Object.values(scales)) {
      expectSameBits(count, (kernels) => {
        const [y, dy] = [fill(kernels, count, 1, scale), fill(kernels, count, 2)];
        kernels.tanh(y, count);
        kernels.tanhGradient(y, dy, count);
        return dy;
      });
    }
    expectSameBits(count, (kernels) => {
      const [y, dy] = [fill(kernels, count, 3), fill(kernels, count, 4)];
      kernels.relu(y, count);
      kernels.reluGradient(y, dy, count);
      kernels.polyak(y, dy, count, 0.005);
      return y;
    });
    for (const tensor of ["p", "m", "v"] as const) {
      expectSameBits(count, (kernels) => {
        const at = { p: fill(kernels, count, 5), m: fill(kernels, count, 6), v: fill(kernels, count, 7) };
        const gradients = fill(kernels, count, 8);
        kernels.relu(at.v, count);
        const step = { step: 3e-4, beta1: 0.9, beta2: 0.999, scale: 1.7, epsilon: 1e-8, decay: 1e-5 };
        for (let i = 0; i < 3; i++) kernels.adam(at.p, gradients, at.m, at.v, count, step);
        return at[tensor];
      });
    }
  });

  it("have the same fingerprint, and it tells another rounding apart", () => {
    const wasm = kernelFingerprint(loadWasmKernels());
    expect(wasm).toMatch(/^[0-9a-f]{64}$/);
    expect(kernelFingerprint(createTypeScriptKernels())).toBe(wasm);
    const other = createTypeScriptKernels();
    other.tanh = (x, count) => {
      const view = other.arena.view(x, count);
      for (let i = 0; i < count; i++) view[i] = Math.tanh(view[i] as number);
    };
    expect(kernelFingerprint(other)).not.toBe(wasm);
  });
});

describe.each(Object.entries(IMPLEMENTATIONS))("%s kernels", (_name, create) => {
  it("know tanh to within 4e-7 and never leave [-1, 1]", () => {
    const kernels = create();
    const count = 40_001;
    const at = kernels.arena.allocate(count);
    const view = kernels.arena.view(at, count);
    for (let i = 0; i < count; i++) view[i] = (i - 20_000) / 2_000;
    const inputs = view.slice();
    kernels.tanh(at, count);
    for (let i = 0; i < count; i++) {
      const value = view[i] as number;
      expect(Math.abs(value - Math.tanh(inputs[i] as number))).toBeLessThan(4e-7);
      expect(Math.abs(value)).toBeLessThanOrEqual(1);
    }
  });

  it("pass NaN on where PyTorch would, and rectify it to 0", () => {
    const kernels = create();
    const at = kernels.arena.allocate(8);
    kernels.arena.view(at, 8).set([Number.NaN, Infinity, -Infinity, -0, Number.NaN, 2, -2, -0]);
    kernels.tanh(at, 4);
    kernels.relu(at + 4, 4);
    const [nan, one, minusOne, zero, ...rectified] = kernels.arena.view(at, 8);
    expect(nan).toBeNaN();
    expect(one).toBeCloseTo(1, 6);
    expect(minusOne).toBeCloseTo(-1, 6);
    expect(zero).toBe(-0);
    expect(rectified).toEqual([0, 2, 0, 0]);
  });

  it("keep what an arena holds when it grows", () => {
    const { arena } = create();
    const first = arena.allocate(3);
    arena.view(first, 3).set([1, 2, 3]);
    const second = arena.allocate(10_000_000);
    expect([...arena.view(first, 3)]).toEqual([1, 2, 3]);
    expect(second % 4).toBe(0);
    expect(arena.view(second, 10_000_000).every((value) => value === 0)).toBe(true);
  });
});

describe("Adam", () => {
  it("takes the steps of torch.optim.Adam", () => {
    // torch 2: parameter 1, gradient 0.5 then -0.25, lr 0.1, weight_decay 0.1: worked out by the published formula.
    const kernels = loadWasmKernels();
    const [p, m, v] = [kernels.arena.allocate(1), kernels.arena.allocate(1), kernels.arena.allocate(1)];
    const g = kernels.arena.allocate(1);
    const read = (at: number) => kernels.arena.view(at, 1)[0] as number;
    kernels.arena.view(p, 1)[0] = 1;
    for (const [t, gradient] of [
      [1, 0.5],
      [2, -0.25],
    ] as const) {
      kernels.arena.view(g, 1)[0] = gradient;
      const step = 0.1 / (1 - 0.9 ** t);
      const scale = 1 / Math.sqrt(1 - 0.999 ** t);
      kernels.adam(p, g, m, v, 1, { step, beta1: 0.9, beta2: 0.999, scale, epsilon: 1e-8, decay: 0.1 });
    }
    // Step 1: g = 0.6, m = 0.06, v = 0.00036, p = 0.9. Step 2: g = -0.16, m = 0.038, v = 0.00038524.
    expect(read(m)).toBeCloseTo(0.038, 7);
    expect(read(v)).toBeCloseTo(0.00038524, 9);
    expect(read(p)).toBeCloseTo(0.9 - (0.1 / 0.19) * (0.038 / Math.sqrt(0.00038524 / 0.001999)), 5);
  });
});
