/**
 * The memory that kernels work on: one growing run of 32-bit floats, named by element index.
 */
export interface Arena {
  /** The whole memory. Read it anew after every `allocate`: growing replaces it. */
  readonly values: Float32Array;
  /** Takes `length` zeros that are never given back; returns the index of the first, a multiple of 4. */
  allocate(length: number): number;
  /** The values [at, at + length); valid until the next `allocate`. */
  view(at: number, length: number): Float32Array;
}

/** What one step of Adam needs beside its tensors; see `adamStep` in optimizer.ts. */
export interface AdamStep {
  /** learning rate / (1 - beta1^t) */
  readonly step: number;
  readonly beta1: number;
  readonly beta2: number;
  /** 1 / sqrt(1 - beta2^t) */
  readonly scale: number;
  readonly epsilon: number;
  /** L2: this times the parameter is added to its gradient. */
  readonly decay: number;
}

/**
 * The arithmetic of the networks, over an arena. Every tensor is dense, row by row, and given by the index of its
 * first element; outputs never overlap inputs, except where an operation says "in place".
 *
 * Each element is computed by the same 32-bit operations in the same order in every implementation: WASM and its
 * TypeScript twin agree bit for bit. One that cannot (a GPU) would have its own arena and its own fingerprint, and a
 * run started with one cannot be resumed with the other.
 */
export interface Kernels {
  readonly name: string;
  readonly arena: Arena;
  /** y[rows, outputs] = x[rows, inputs] w[inputs, outputs] + b[outputs] */
  affine(x: number, w: number, b: number, y: number, rows: number, inputs: number, outputs: number): void;
  /** dw[inputs, outputs] += transposed x[rows, inputs] times dy[rows, outputs] */
  addWeightGradient(x: number, dy: number, dw: number, rows: number, inputs: number, outputs: number): void;
  /** dx[rows, inputs] = dy[rows, outputs] times transposed w[inputs, outputs]; scratch holds inputs × outputs. */
  inputGradient(
    dy: number,
    w: number,
    scratch: number,
    dx: number,
    rows: number,
    inputs: number,
    outputs: number,
  ): void;
  /** sums[columns] += the sums over the rows of x[rows, columns] */
  addColumnSums(x: number, sums: number, rows: number, columns: number): void;
  /** x = max(x, 0), in place; NaN becomes 0 */
  relu(x: number, count: number): void;
  /** dy = 0 where y is not above 0, in place */
  reluGradient(y: number, dy: number, count: number): void;
  /** x = tanh(x), in place; within 4e-7 of the true value */
  tanh(x: number, count: number): void;
  /** dy = dy (1 - y²), in place */
  tanhGradient(y: number, dy: number, count: number): void;
  /** One step of Adam: parameters, first and second moments, in place. */
  adam(parameters: number, gradients: number, m: number, v: number, count: number, step: AdamStep): void;
  /** target += tau (source - target), in place */
  polyak(target: number, source: number, count: number, tau: number): void;
}
