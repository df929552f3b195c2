// Activations and their gradients, in place. Pointers in bytes; n in elements.

export function relu(x: usize, n: i32): void {
  const end = x + (<usize>n << 2), end4 = x + (<usize>(n & ~3) << 2);
  const zero = f32x4.splat(0);
  for (; x < end4; x += 16) v128.store(x, f32x4.pmax(zero, v128.load(x)));
  for (; x < end; x += 4) {
    const value = load<f32>(x);
    store<f32>(x, value > 0 ? value : 0);
  }
}

/** g = y > 0 ? g : 0 */
export function reluGradient(y: usize, g: usize, n: i32): void {
  const end = y + (<usize>n << 2), end4 = y + (<usize>(n & ~3) << 2);
  const zero = f32x4.splat(0);
  for (; y < end4; y += 16) {
    v128.store(g, v128.and(v128.load(g), f32x4.gt(v128.load(y), zero)));
    g += 16;
  }
  for (; y < end; y += 4) {
    if (!(load<f32>(y) > 0)) store<f32>(g, 0);
    g += 4;
  }
}

// tanh(x) as x * P(x^2) / Q(x^2) on [-LIMIT, LIMIT], where it reaches 1 in 32 bits: Eigen's approximation. Only
// multiplication, addition and division, so that every engine and processor gives the same bits.
const LIMIT: f32 = 7.90531110763549805;
const P0: f32 = 4.89352455891786e-3;
const P1: f32 = 6.37261928875436e-4;
const P2: f32 = 1.48572235717979e-5;
const P3: f32 = 5.12229709037114e-8;
const P4: f32 = -8.60467152213735e-11;
const P5: f32 = 2.00018790482477e-13;
const P6: f32 = -2.76076847742355e-16;
const Q0: f32 = 4.89352518554385e-3;
const Q1: f32 = 2.268434632439e-3;
const Q2: f32 = 1.18534705686654e-4;
const Q3: f32 = 1.19825839466702e-6;

// @ts-ignore: AssemblyScript decorators
@inline function madd(a: v128, b: v128, c: f32): v128 {
  return f32x4.add(f32x4.mul(a, b), f32x4.splat(c));
}

// @ts-ignore
@inline function tanh4(raw: v128): v128 {
  const x = f32x4.pmax(f32x4.pmin(raw, f32x4.splat(LIMIT)), f32x4.splat(-LIMIT));
  const s = f32x4.mul(x, x);
  const p = madd(madd(madd(madd(madd(madd(f32x4.splat(P6), s, P5), s, P4), s, P3), s, P2), s, P1), s, P0);
  const q = madd(madd(madd(f32x4.splat(Q3), s, Q2), s, Q1), s, Q0);
  return f32x4.div(f32x4.mul(x, p), q);
}

export function tanh(x: usize, n: i32): void {
  const end = x + (<usize>n << 2), end4 = x + (<usize>(n & ~3) << 2);
  for (; x < end4; x += 16) v128.store(x, tanh4(v128.load(x)));
  for (; x < end; x += 4) store<f32>(x, f32x4.extract_lane(tanh4(v128.load32_splat(x)), 0));
}

/** g = g * (1 - y^2) */
export function tanhGradient(y: usize, g: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const value = load<f32>(y), one: f32 = 1;
    store<f32>(g, load<f32>(g) * (one - value * value));
    y += 4;
    g += 4;
  }
}

/** out[j] += the sum over i, counting up, of g[i, j] */
export function columnSums(g: usize, out: usize, rows: i32, columns: i32): void {
  const stride = <usize>columns << 2;
  let j = 0;
  for (; j + 4 <= columns; j += 4) {
    let from = g + (<usize>j << 2);
    const to = out + (<usize>j << 2);
    let sum = v128.load(to);
    for (let i = 0; i < rows; i++) {
      sum = f32x4.add(sum, v128.load(from));
      from += stride;
    }
    v128.store(to, sum);
  }
  for (; j < columns; j++) {
    let from = g + (<usize>j << 2);
    const to = out + (<usize>j << 2);
    let sum = load<f32>(to);
    for (let i = 0; i < rows; i++) {
      sum += load<f32>(from);
      from += stride;
    }
    store<f32>(to, sum);
  }
}
