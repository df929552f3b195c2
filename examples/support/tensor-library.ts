// Stands in for a library with tensors of its own (TensorFlow.js, ONNX Runtime, a WebGPU engine). What matters here is
// like in the real ones: tensors live in memory that belongs to the library (a GPU, a WASM heap), data goes in and out
// by copying, and arrays over shared memory are refused.

const heap = new Float32Array(1 << 20);
let used = 0;

export class Tensor {
  readonly length: number;
  readonly #offset: number;

  constructor(length: number) {
    if (used + length > heap.length) throw new Error("The library is out of memory");
    this.length = length;
    this.#offset = used;
    used += length;
  }

  /** Copies the values out, as `dataSync()` or `readPixels()` do. */
  read(out: Float32Array): Float32Array {
    out.set(this.view());
    return out;
  }

  /** Copies values in. */
  write(values: Float32Array): void {
    if (!(values.buffer instanceof ArrayBuffer)) throw new TypeError("The provided array must not be shared");
    this.view().set(values);
  }

  /** The library's own kernels work in place. */
  view(): Float32Array {
    return heap.subarray(this.#offset, this.#offset + this.length);
  }
}

/** One step of least squares for `predictions = inputs · weights`; returns the mean squared error before it. */
export function fitStep(weights: Tensor, inputs: Tensor, targets: Tensor, rate: number): number {
  const [w, x, y] = [weights.view(), inputs.view(), targets.view()];
  const gradient = new Float64Array(w.length);
  let squared = 0;
  for (let row = 0; row < y.length; row++) {
    let error = -(y[row] as number);
    for (let i = 0; i < w.length; i++) error += (w[i] as number) * (x[row * w.length + i] as number);
    squared += error * error;
    for (let i = 0; i < w.length; i++)
      gradient[i] = (gradient[i] as number) + error * (x[row * w.length + i] as number);
  }
  for (let i = 0; i < w.length; i++) w[i] = (w[i] as number) - (rate * (gradient[i] as number)) / y.length;
  return squared / y.length;
}
