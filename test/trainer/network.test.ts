import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/index.ts";
import { createTypeScriptKernels } from "../../src/trainer/kernels/typescript-kernels.ts";
import { loadWasmKernels } from "../../src/trainer/kernels/wasm-kernels.ts";
import { Network, type OutputActivation } from "../../src/trainer/networks/network.ts";

/** The squared error of a perceptron in 64 bits, written without the code under test. */
function referenceLoss(
  sizes: readonly number[],
  output: OutputActivation,
  parameters: Float64Array,
  x: Float64Array,
  targets: Float64Array,
): number {
  const rows = x.length / (sizes[0] as number);
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    let values = [...x.subarray(row * (sizes[0] as number), (row + 1) * (sizes[0] as number))];
    let at = 0;
    for (let layer = 1; layer < sizes.length; layer++) {
      const outputs = sizes[layer] as number;
      const biases = at + values.length * outputs;
      const next = Array.from({ length: outputs }, (_, j) => {
        const sum = values.reduce((total, value, i) => total + value * (parameters[at + i * outputs + j] as number), 0);
        return sum + (parameters[biases + j] as number);
      });
      at = biases + outputs;
      const last = layer === sizes.length - 1;
      values = next.map((value) => (!last ? Math.max(0, value) : output === "tanh" ? Math.tanh(value) : value));
    }
    for (const [j, value] of values.entries()) loss += (value - (targets[row * values.length + j] as number)) ** 2;
  }
  return loss;
}

/** Central differences, element by element. */
function differences(values: Float64Array, loss: () => number): Float64Array {
  const step = 1e-6;
  return values.map((value, i) => {
    values[i] = value + step;
    const above = loss();
    values[i] = value - step;
    const below = loss();
    values[i] = value;
    return (above - below) / (2 * step);
  });
}

describe.each([
  ["wasm", loadWasmKernels],
  ["typescript", createTypeScriptKernels],
] as const)("gradients with %s kernels", (_name, create) => {
  it.each([
    ["linear", 1],
    ["linear", 13],
    ["tanh", 5],
    ["tanh", 8],
  ] as const)("of a %s network, %i rows, agree with finite differences in 64 bits", (output, rows) => {
    const sizes = [7, 18, 12, output === "linear" ? 1 : 3];
    const kernels = create();
    const network = new Network(kernels, sizes, output, rows);
    const random = createRandom(3);
    const { arena } = kernels;
    const [parameters, gradients] = [arena.allocate(network.parameterCount), arena.allocate(network.parameterCount)];
    const [x, dy] = [arena.allocate(rows * 7), arena.allocate(rows * network.outputs)];
    network.initialize(parameters, random);
    for (let i = 0; i < rows * 7; i++) arena.values[x + i] = random.normal();
    const targets = Float64Array.from({ length: rows * network.outputs }, () => random.normal());
    const parameters64 = Float64Array.from(arena.view(parameters, network.parameterCount));
    const x64 = Float64Array.from(arena.view(x, rows * 7));
    const loss = () => referenceLoss(sizes, output, parameters64, x64, targets);

    const y = network.forward(parameters, x, rows);
    for (const [i, target] of targets.entries()) arena.values[dy + i] = 2 * ((arena.values[y + i] as number) - target);
    const dx = network.backward(parameters, x, rows, dy, gradients, true);

    for (const [i, expected] of differences(parameters64, loss).entries()) {
      const tolerance = 2e-4 * Math.max(1, Math.abs(expected));
      expect(Math.abs((arena.values[gradients + i] as number) - expected)).toBeLessThan(tolerance);
    }
    for (const [i, expected] of differences(x64, loss).entries()) {
      expect(Math.abs((arena.values[dx + i] as number) - expected)).toBeLessThan(
        2e-4 * Math.max(1, Math.abs(expected)),
      );
    }
  });
});

describe("a network", () => {
  it("adds gradients up over batches, as over one batch of both", () => {
    const kernels = loadWasmKernels();
    const network = new Network(kernels, [2, 5, 1], "linear", 4);
    const { arena } = kernels;
    const [parameters, apart, together] = [1, 2, 3].map(() => arena.allocate(network.parameterCount)) as [
      number,
      number,
      number,
    ];
    const [x, dy] = [arena.allocate(8), arena.allocate(4)];
    network.initialize(parameters, createRandom(1));
    arena.view(x, 8).set([1, 2, -1, 0.5, 3, -2, 0.25, 1]);
    const pass = (row: number, rows: number, gradients: number) => {
      arena.view(dy, 4).set([1, -1, 0.5, 2]);
      network.forward(parameters, x + 2 * row, rows);
      network.backward(parameters, x + 2 * row, rows, dy + row, gradients, false);
    };
    pass(0, 2, apart);
    pass(2, 2, apart);
    pass(0, 4, together);
    expect(arena.view(apart, network.parameterCount)).toEqual(arena.view(together, network.parameterCount));
  });

  it("gives a row the same result alone and among others", () => {
    const kernels = loadWasmKernels();
    const network = new Network(kernels, [3, 33, 9, 2], "tanh", 6);
    const { arena } = kernels;
    const [parameters, x] = [arena.allocate(network.parameterCount), arena.allocate(18)];
    network.initialize(parameters, createRandom(2));
    const random = createRandom(4);
    for (let i = 0; i < 18; i++) arena.values[x + i] = random.normal();
    const all = arena.view(network.forward(parameters, x, 6), 12).slice();
    for (let row = 0; row < 6; row++) {
      const alone = arena.view(network.forward(parameters, x + row * 3, 1), 2);
      expect(alone).toEqual(all.subarray(row * 2, row * 2 + 2));
    }
  });
});
