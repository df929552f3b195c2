/**
 * Differences of consecutive elements, modulo 2^32; the first element is kept (numcodecs' `delta` over `<u4`). The
 * frame ids of a window count up by one: what is left is a column of ones.
 *
 * Elements are unsigned, but handled as signed: the same bits come out, and values from 2^31 on would leave V8's
 * integer arithmetic (7 times slower).
 */
export function encodeDelta(source: Int32Array, target: Int32Array): void {
  const { length } = source;
  let previous = 0;
  for (let i = 0; i < length; i++) {
    const value = source[i] as number;
    target[i] = (value - previous) | 0;
    previous = value;
  }
}

/** Undoes {@link encodeDelta} in place. */
export function decodeDelta(values: Int32Array): void {
  const { length } = values;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    sum = (sum + (values[i] as number)) | 0;
    values[i] = sum;
  }
}
