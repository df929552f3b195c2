import { readFileSync } from "node:fs";
import type { AdamStep, Arena, Kernels } from "./kernels.ts";

// TypeScript declares WebAssembly with the browser's library only: these are the parts that are used.
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
};

const PAGE_BYTES = 65_536;
const MAX_PAGES = 65_536;
/** The module keeps nothing in memory of its own; the first KiB is left alone so that index 0 can mean "none". */
const FIRST_INDEX = 256;

/** The exports of `assembly/index.ts`: pointers and strides in bytes, counts in elements. */
interface Exports {
  gemm(
    a: number,
    rowStride: number,
    columnStride: number,
    b: number,
    c: number,
    m: number,
    n: number,
    k: number,
    start: number,
    startStride: number,
  ): void;
  transpose(from: number, to: number, rows: number, columns: number): void;
  columnSums(x: number, sums: number, rows: number, columns: number): void;
  relu(x: number, count: number): void;
  reluGradient(y: number, dy: number, count: number): void;
  tanh(x: number, count: number): void;
  tanhGradient(y: number, dy: number, count: number): void;
  adam(
    p: number,
    g: number,
    m: number,
    v: number,
    count: number,
    step: number,
    beta1: number,
    keep1: number,
    beta2: number,
    keep2: number,
    scale: number,
    epsilon: number,
    decay: number,
  ): void;
  polyak(target: number, source: number, count: number, tau: number): void;
}

class WasmArena implements Arena {
  readonly memory: WasmMemory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES });
  #values = new Float32Array(this.memory.buffer);
  #next = FIRST_INDEX;

  get values(): Float32Array {
    return this.#values;
  }

  allocate(length: number): number {
    const at = this.#next;
    this.#next += (length + 3) & ~3;
    const missing = this.#next * 4 - this.memory.buffer.byteLength;
    if (missing > 0) {
      // Grown by half of itself at least: every growth costs a copy where memory cannot be extended in place.
      const pages = Math.max(Math.ceil(missing / PAGE_BYTES), this.memory.buffer.byteLength / PAGE_BYTES / 2);
      this.memory.grow(Math.ceil(pages));
      this.#values = new Float32Array(this.memory.buffer);
    }
    return at;
  }

  view(at: number, length: number): Float32Array {
    return this.#values.subarray(at, at + length);
  }
}

class WasmKernels implements Kernels {
  readonly name = "wasm";
  readonly arena: WasmArena = new WasmArena();
  readonly #exports: Exports;

  constructor(module: WasmModule) {
    const instance = new WebAssembly.Instance(module, { env: { memory: this.arena.memory } });
    this.#exports = instance.exports as Exports;
  }

  affine(x: number, w: number, b: number, y: number, rows: number, inputs: number, outputs: number): void {
    this.#exports.gemm(x * 4, inputs * 4, 4, w * 4, y * 4, rows, outputs, inputs, b * 4, 0);
  }

  addWeightGradient(x: number, dy: number, dw: number, rows: number, inputs: number, outputs: number): void {
    this.#exports.gemm(x * 4, 4, inputs * 4, dy * 4, dw * 4, inputs, outputs, rows, dw * 4, outputs * 4);
  }

  inputGradient(
    dy: number,
    w: number,
    scratch: number,
    dx: number,
    rows: number,
    inputs: number,
    outputs: number,
  ): void {
    this.#exports.transpose(w * 4, scratch * 4, inputs, outputs);
    this.#exports.gemm(dy * 4, outputs * 4, 4, scratch * 4, dx * 4, rows, inputs, outputs, 0, 0);
  }

  addColumnSums(x: number, sums: number, rows: number, columns: number): void {
    this.#exports.columnSums(x * 4, sums * 4, rows, columns);
  }

  relu(x: number, count: number): void {
    this.#exports.relu(x * 4, count);
  }

  reluGradient(y: number, dy: number, count: number): void {
    this.#exports.reluGradient(y * 4, dy * 4, count);
  }

  tanh(x: number, count: number): void {
    this.#exports.tanh(x * 4, count);
  }

  tanhGradient(y: number, dy: number, count: number): void {
    this.#exports.tanhGradient(y * 4, dy * 4, count);
  }

  adam(p: number, g: number, m: number, v: number, count: number, step: AdamStep): void {
    const [keep1, keep2] = [1 - step.beta1, 1 - step.beta2];
    this.#exports.adam(
      ...([p * 4, g * 4, m * 4, v * 4, count, step.step, step.beta1, keep1] as const),
      ...([step.beta2, keep2, step.scale, step.epsilon, step.decay] as const),
    );
  }

  polyak(target: number, source: number, count: number, tau: number): void {
    this.#exports.polyak(target * 4, source * 4, count, tau);
  }
}

/**
 * Loads the kernels that `tools/prepare.mjs` built, with an arena of their own.
 *
 * @throws the file system's error (ENOENT where they were not built)
 */
export function loadWasmKernels(): Kernels {
  // Three levels up is the package, from src/trainer/kernels and from dist/trainer/kernels alike.
  const bytes = readFileSync(new URL("../../../build/kernels.wasm", import.meta.url));
  return new WasmKernels(new WebAssembly.Module(bytes));
}
