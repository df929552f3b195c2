import { InvalidArgumentError } from "../errors.ts";
import { Scratch } from "./scratch.ts";

/**
 * Byte shuffle: all first bytes of the elements, then all second bytes, and so on (numcodecs' `shuffle`, HDF5's too).
 *
 *   element size 4:   a0 a1 a2 a3  b0 b1 b2 b3  …   ->   a0 b0 …  a1 b1 …  a2 b2 …  a3 b3 …
 *                                                        plane 0  plane 1  plane 2  plane 3
 *
 * Four elements are turned at a time in 32-bit words. Planes are then written a word each, so their starts must be
 * multiples of 4; where the number of elements is odd they are built in scratch memory, padded, and moved together.
 * The words are read as little-endian, as is every platform that Node runs on with prebuilt binaries but one (s390x).
 */
export type ShuffleElementSize = 2 | 4 | 8;

const inputScratch = new Scratch();
const planeScratch = new Scratch();

const EVEN_BYTES = 0x00ff00ff;
const LOW_HALF = 0x0000ffff;

/**
 * Shuffles `source` into `target`, which must not overlap.
 *
 * @param source - a whole number of elements; may be a view of shared memory
 * @param target - as long as `source`
 * Cost: about 2.5 GB/s; copies once more where addresses or counts are not multiples of 4.
 */
export function shuffle(source: Uint8Array, elementSize: ShuffleElementSize, target: Uint8Array): void {
  const count = elementCount(source, elementSize, target);
  const whole = count - (count % 4);
  const words = asWords(source, (whole * elementSize) / 4, inputScratch);
  const direct = whole === count && target.byteOffset % 4 === 0;
  const planes = direct ? target : planeScratch.take(whole * elementSize);
  const out = new Int32Array(planes.buffer, planes.byteOffset, (whole * elementSize) / 4);
  if (elementSize === 2) split2(words, out, whole / 4);
  else for (let lane = 0; lane < elementSize / 4; lane++) split4(words, lane, elementSize / 4, out, whole / 4);
  if (direct) return;
  for (let plane = 0; plane < elementSize; plane++) {
    target.set(planes.subarray(plane * whole, (plane + 1) * whole), plane * count);
    for (let i = whole; i < count; i++) target[plane * count + i] = source[i * elementSize + plane] as number;
  }
}

/** Undoes {@link shuffle}; `target` may be a view of shared memory. */
export function unshuffle(source: Uint8Array, elementSize: ShuffleElementSize, target: Uint8Array): void {
  const count = elementCount(source, elementSize, target);
  const whole = count - (count % 4);
  const byteCount = whole * elementSize;
  const planes = whole === count ? source : planeScratch.take(byteCount);
  if (planes !== source) {
    for (let plane = 0; plane < elementSize; plane++) {
      planes.set(source.subarray(plane * count, plane * count + whole), plane * whole);
      for (let i = whole; i < count; i++) target[i * elementSize + plane] = source[plane * count + i] as number;
    }
  }
  const words = asWords(planes, byteCount / 4, inputScratch);
  const direct = target.byteOffset % 4 === 0;
  // Both scratches may be needed at once, never the same one twice: an odd count leaves `planes` aligned.
  const result = direct ? target : (planes === source ? planeScratch : inputScratch).take(byteCount);
  const out = new Int32Array(result.buffer, result.byteOffset, byteCount / 4);
  if (elementSize === 2) join2(words, out, whole / 4);
  else for (let lane = 0; lane < elementSize / 4; lane++) join4(words, lane, elementSize / 4, out, whole / 4);
  if (!direct) target.set(result, 0);
}

function elementCount(source: Uint8Array, elementSize: number, target: Uint8Array): number {
  if (source.length % elementSize !== 0) {
    throw new InvalidArgumentError("source", `a multiple of ${elementSize} bytes long`, source);
  }
  if (target.length !== source.length) throw new InvalidArgumentError("target", `${source.length} bytes long`, target);
  return source.length / elementSize;
}

function asWords(bytes: Uint8Array, wordCount: number, scratch: Scratch): Int32Array {
  if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, wordCount);
  const copy = scratch.take(wordCount * 4);
  copy.set(bytes.subarray(0, wordCount * 4));
  return new Int32Array(copy.buffer, 0, wordCount);
}

// In all of the loops, four elements make one word in each plane, and `n` counts such groups: it is the length of a
// plane in words. The 4 × 4 bytes are transposed by exchanging bits under a mask (Hacker's Delight, 7-3): bytes
// between neighbouring words, then halves between words two apart. The transpose is its own inverse.

/**
 * Elements of 4 or 8 bytes: those of 8 are two words, `lane` 0 gives planes 0 to 3 and `lane` 1 planes 4 to 7.
 * Planes are views of their own: that spares an addition at each store (8 %).
 */
function split4(words: Int32Array, lane: number, stride: number, out: Int32Array, n: number): void {
  const [plane0, plane1, plane2, plane3] = planesOf(out, lane, n);
  for (let i = 0, j = lane; i < n; i++, j += 4 * stride) {
    let a = words[j] as number;
    let b = words[j + stride] as number;
    let c = words[j + 2 * stride] as number;
    let d = words[j + 3 * stride] as number;
    let t = ((a >>> 8) ^ b) & EVEN_BYTES;
    b ^= t;
    a ^= t << 8;
    t = ((c >>> 8) ^ d) & EVEN_BYTES;
    d ^= t;
    c ^= t << 8;
    t = ((a >>> 16) ^ c) & LOW_HALF;
    c ^= t;
    a ^= t << 16;
    t = ((b >>> 16) ^ d) & LOW_HALF;
    d ^= t;
    b ^= t << 16;
    plane0[i] = a;
    plane1[i] = b;
    plane2[i] = c;
    plane3[i] = d;
  }
}

function join4(words: Int32Array, lane: number, stride: number, out: Int32Array, n: number): void {
  const [plane0, plane1, plane2, plane3] = planesOf(words, lane, n);
  for (let i = 0, j = lane; i < n; i++, j += 4 * stride) {
    let a = plane0[i] as number;
    let b = plane1[i] as number;
    let c = plane2[i] as number;
    let d = plane3[i] as number;
    let t = ((a >>> 8) ^ b) & EVEN_BYTES;
    b ^= t;
    a ^= t << 8;
    t = ((c >>> 8) ^ d) & EVEN_BYTES;
    d ^= t;
    c ^= t << 8;
    t = ((a >>> 16) ^ c) & LOW_HALF;
    c ^= t;
    a ^= t << 16;
    t = ((b >>> 16) ^ d) & LOW_HALF;
    d ^= t;
    b ^= t << 16;
    out[j] = a;
    out[j + stride] = b;
    out[j + 2 * stride] = c;
    out[j + 3 * stride] = d;
  }
}

function planesOf(words: Int32Array, lane: number, n: number): [Int32Array, Int32Array, Int32Array, Int32Array] {
  const first = lane * 4 * n;
  return [
    words.subarray(first, first + n),
    words.subarray(first + n, first + 2 * n),
    words.subarray(first + 2 * n, first + 3 * n),
    words.subarray(first + 3 * n, first + 4 * n),
  ];
}

/** Elements of 2 bytes: two words hold four of them, and make one word in each of the two planes. */
function split2(words: Int32Array, out: Int32Array, n: number): void {
  for (let i = 0, j = 0; i < n; i++, j += 2) {
    let a = swapMiddle(words[j] as number); // low low high high
    let b = swapMiddle(words[j + 1] as number);
    const t = ((a >>> 16) ^ b) & LOW_HALF;
    b ^= t;
    a ^= t << 16;
    out[i] = a;
    out[i + n] = b;
  }
}

function join2(words: Int32Array, out: Int32Array, n: number): void {
  for (let i = 0, j = 0; i < n; i++, j += 2) {
    let a = words[i] as number;
    let b = words[i + n] as number;
    const t = ((a >>> 16) ^ b) & LOW_HALF;
    b ^= t;
    a ^= t << 16;
    out[j] = swapMiddle(a);
    out[j + 1] = swapMiddle(b);
  }
}

/** Swaps the two bytes in the middle of a word: 0 1 2 3 -> 0 2 1 3. */
function swapMiddle(word: number): number {
  const t = ((word >>> 8) ^ word) & 0x0000ff00;
  return word ^ t ^ (t << 8);
}
