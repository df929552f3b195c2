/** Constructors through which code of ours takes memory by a length. */
const NAMES = [
  "ArrayBuffer",
  "SharedArrayBuffer",
  "Uint8Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
] as const;

export interface AllocationWatch {
  readonly reset: () => void;
  /** @throws Error when more was asked for at once since the last reset, or more than 16 times as much in all */
  readonly assertAtMost: (bytes: number) => void;
  readonly stop: () => void;
}

/** Notes the memory that is asked for by its length, the largest and the sum, whether or not it could be had, until it is stopped. */
export function watchAllocations(): AllocationWatch {
  const globals = globalThis as unknown as Record<string, unknown>;
  const originals = NAMES.map((name) => [name, globals[name]] as const);
  let largest = 0;
  let total = 0;
  for (const [name, original] of originals) {
    const constructor = original as { readonly BYTES_PER_ELEMENT?: number };
    const size = constructor.BYTES_PER_ELEMENT ?? 1;
    const proxy: object = new Proxy(constructor as unknown as new (...args: unknown[]) => object, {
      construct(target, args, newTarget) {
        const [length] = args;
        if (typeof length === "number" && length > 0) {
          largest = Math.max(largest, length * size);
          total += length * size;
        }
        return Reflect.construct(target, args, newTarget === proxy ? target : newTarget) as object;
      },
    });
    globals[name] = proxy;
  }
  return {
    reset: () => {
      largest = 0;
      total = 0;
    },
    assertAtMost: (bytes) => {
      if (largest > bytes) throw new Error(`${largest} bytes were asked for at once, at most ${bytes} are in order`);
      if (total > 16 * bytes)
        throw new Error(`${total} bytes were asked for in all, at most ${16 * bytes} are in order`);
    },
    stop: () => {
      for (const [name, original] of originals) globals[name] = original;
    },
  };
}
