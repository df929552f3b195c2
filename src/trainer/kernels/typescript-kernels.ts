import type { AdamStep, Arena, Kernels } from "./kernels.ts";

// Every intermediate result is rounded to 32 bits, as in WASM. Rounding a 64-bit sum, product, quotient or root of
// 32-bit numbers gives exactly the 32-bit operation (Figueroa 1995: 53 >= 2 * 24 + 2).
const f = Math.fround;

class ArrayArena implements Arena {
  #values = new Float32Array(16_384);
  #next = 4;

  get values(): Float32Array {
    return this.#values;
  }

  allocate(length: number): number {
    const at = this.#next;
    this.#next += (length + 3) & ~3;
    if (this.#next > this.#values.length) {
      const grown = new Float32Array(Math.max(this.#next, 2 * this.#values.length));
      grown.set(this.#values);
      this.#values = grown;
    }
    return at;
  }

  view(at: number, length: number): Float32Array {
    return this.#values.subarray(at, at + length);
  }
}

// tanh(x) as x * P(x^2) / Q(x^2) on [-LIMIT, LIMIT]: Eigen's approximation, the same as in assembly/elementwise.ts.
const LIMIT = f(7.90531110763549805);
const P = [
  ...[-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8],
  ...[1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3],
].map(f);
const Q = [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3].map(f);

function horner(coefficients: readonly number[], x: number): number {
  let value = coefficients[0] as number;
  for (let i = 1; i < coefficients.length; i++) value = f(f(value * x) + (coefficients[i] as number));
  return value;
}

function tanh32(raw: number): number {
  const x = raw > LIMIT ? LIMIT : raw < -LIMIT ? -LIMIT : raw;
  const square = f(x * x);
  return f(f(x * horner(P, square)) / horner(Q, square));
}

class TypeScriptKernels implements Kernels {
  readonly name = "typescript";
  readonly arena: Arena = new ArrayArena();

  affine(x: number, w: number, b: number, y: number, rows: number, inputs: number, outputs: number): void {
    const values = this.arena.values;
    for (let i = 0; i < rows; i++) {
      values.copyWithin(y + i * outputs, b, b + outputs);
      this.#addProducts(x + i * inputs, 1, w, y + i * outputs, outputs, inputs);
    }
  }

  addWeightGradient(x: number, dy: number, dw: number, rows: number, inputs: number, outputs: number): void {
    for (let i = 0; i < inputs; i++) this.#addProducts(x + i, inputs, dy, dw + i * outputs, outputs, rows);
  }

  inputGradient(
    dy: number,
    w: number,
    _scratch: number,
    dx: number,
    rows: number,
    inputs: number,
    outputs: number,
  ): void {
    const values = this.arena.values;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < inputs; j++) {
        let sum = 0;
        for (let p = 0; p < outputs; p++) {
          sum = f(sum + f((values[dy + i * outputs + p] as number) * (values[w + j * outputs + p] as number)));
        }
        values[dx + i * inputs + j] = sum;
      }
    }
  }

  /** c[n] += the sum over p, counting up, of a[p * stride] times row p of b[k, n] */
  #addProducts(a: number, stride: number, b: number, c: number, n: number, k: number): void {
    const values = this.arena.values;
    let j = 0;
    // Four columns at a time: a's elements are read once for them, and sums stay in registers.
    for (; j + 4 <= n; j += 4) {
      let s0 = values[c + j] as number;
      let s1 = values[c + j + 1] as number;
      let s2 = values[c + j + 2] as number;
      let s3 = values[c + j + 3] as number;
      for (let p = 0, from = a, row = b + j; p < k; p++, from += stride, row += n) {
        const factor = values[from] as number;
        s0 = f(s0 + f(factor * (values[row] as number)));
        s1 = f(s1 + f(factor * (values[row + 1] as number)));
        s2 = f(s2 + f(factor * (values[row + 2] as number)));
        s3 = f(s3 + f(factor * (values[row + 3] as number)));
      }
      values[c + j] = s0;
      values[c + j + 1] = s1;
      values[c + j + 2] = s2;
      values[c + j + 3] = s3;
    }
    for (; j < n; j++) {
      let sum = values[c + j] as number;
      for (let p = 0, from = a, row = b + j; p < k; p++, from += stride, row += n) {
        sum = f(sum + f((values[from] as number) * (values[row] as number)));
      }
      values[c + j] = sum;
    }
  }

  addColumnSums(x: number, sums: number, rows: number, columns: number): void {
    const values = this.arena.values;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        values[sums + j] = (values[sums + j] as number) + (values[x + i * columns + j] as number);
      }
    }
  }

  relu(x: number, count: number): void {
    const values = this.arena.values;
    for (let i = x; i < x + count; i++) if (!((values[i] as number) > 0)) values[i] = 0;
  }

  reluGradient(y: number, dy: number, count: number): void {
    const values = this.arena.values;
    for (let i = 0; i < count; i++) if (!((values[y + i] as number) > 0)) values[dy + i] = 0;
  }

  tanh(x: number, count: number): void {
    const values = this.arena.values;
    for (let i = x; i < x + count; i++) values[i] = tanh32(values[i] as number);
  }

  tanhGradient(y: number, dy: number, count: number): void {
    const values = this.arena.values;
    for (let i = 0; i < count; i++) {
      const value = values[y + i] as number;
      values[dy + i] = (values[dy + i] as number) * f(1 - f(value * value));
    }
  }

  adam(parameters: number, gradients: number, m: number, v: number, count: number, settings: AdamStep): void {
    const values = this.arena.values;
    const [beta1, keep1] = [f(settings.beta1), f(1 - settings.beta1)];
    const [beta2, keep2] = [f(settings.beta2), f(1 - settings.beta2)];
    const [step, scale, epsilon] = [f(settings.step), f(settings.scale), f(settings.epsilon)];
    const decay = f(settings.decay);
    for (let i = 0; i < count; i++) {
      const parameter = values[parameters + i] as number;
      const gradient = f((values[gradients + i] as number) + f(decay * parameter));
      const mean = f(f(beta1 * (values[m + i] as number)) + f(keep1 * gradient));
      const square = f(f(beta2 * (values[v + i] as number)) + f(keep2 * f(gradient * gradient)));
      values[m + i] = mean;
      values[v + i] = square;
      const root = f(f(f(Math.sqrt(square)) * scale) + epsilon);
      values[parameters + i] = parameter - f(f(step * mean) / root);
    }
  }

  polyak(target: number, source: number, count: number, tau: number): void {
    const values = this.arena.values;
    const rate = f(tau);
    for (let i = 0; i < count; i++) {
      const value = values[target + i] as number;
      values[target + i] = value + f(rate * f((values[source + i] as number) - value));
    }
  }
}

/** Makes the kernels that need no WASM: oracle in tests, and what is used where none was built. Slower, same bits. */
export function createTypeScriptKernels(): Kernels {
  return new TypeScriptKernels();
}
