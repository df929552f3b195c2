// C[i, j] = start[i, j] + sum over p of A[i, p] * B[p, j], with p counting up: the same sums in the same order
// whatever the tile, so that a row does not depend on the rows beside it and the TypeScript twin agrees bit for bit.
// Strides and pointers are in bytes. A has any strides (that is how it is read transposed); B, C and start have rows
// of n elements, except that start may repeat one row (stride 0: a bias) or be absent (0: zeros).

// @ts-ignore: AssemblyScript decorators
@inline function startAt(start: usize, stride: usize, i: i32, j: i32): usize {
  return start + <usize>i * stride + (<usize>j << 2);
}

// @ts-ignore
@inline function load4(start: usize, at: usize): v128 {
  return start == 0 ? f32x4.splat(0) : v128.load(at);
}

// @ts-ignore
@inline function load1(start: usize, at: usize): f32 {
  return start == 0 ? 0 : load<f32>(at);
}

/** Four rows by eight columns: eight accumulators, which with the operands fill the 16 registers of x86-64. */
function tile4x8(a: usize, ra: usize, ca: usize, b: usize, rb: usize, c: usize, k: i32, start: usize, at: usize, rs: usize): void {
  let s00 = load4(start, at), s01 = load4(start, at + 16);
  let s10 = load4(start, at + rs), s11 = load4(start, at + rs + 16);
  let s20 = load4(start, at + 2 * rs), s21 = load4(start, at + 2 * rs + 16);
  let s30 = load4(start, at + 3 * rs), s31 = load4(start, at + 3 * rs + 16);
  const a1 = a + ra, a2 = a1 + ra, a3 = a2 + ra;
  let o: usize = 0;
  for (let p = 0; p < k; p++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load32_splat(a + o);
    s00 = f32x4.add(s00, f32x4.mul(x, b0));
    s01 = f32x4.add(s01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1 + o);
    s10 = f32x4.add(s10, f32x4.mul(x, b0));
    s11 = f32x4.add(s11, f32x4.mul(x, b1));
    x = v128.load32_splat(a2 + o);
    s20 = f32x4.add(s20, f32x4.mul(x, b0));
    s21 = f32x4.add(s21, f32x4.mul(x, b1));
    x = v128.load32_splat(a3 + o);
    s30 = f32x4.add(s30, f32x4.mul(x, b0));
    s31 = f32x4.add(s31, f32x4.mul(x, b1));
    b += rb;
    o += ca;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c + rb, s10);
  v128.store(c + rb, s11, 16);
  v128.store(c + 2 * rb, s20);
  v128.store(c + 2 * rb, s21, 16);
  v128.store(c + 3 * rb, s30);
  v128.store(c + 3 * rb, s31, 16);
}

/** Four rows by one column. */
function tile4x1(a: usize, ra: usize, ca: usize, b: usize, rb: usize, c: usize, k: i32, start: usize, at: usize, rs: usize): void {
  let s0 = load1(start, at), s1 = load1(start, at + rs), s2 = load1(start, at + 2 * rs), s3 = load1(start, at + 3 * rs);
  const a1 = a + ra, a2 = a1 + ra, a3 = a2 + ra;
  let o: usize = 0;
  for (let p = 0; p < k; p++) {
    const x = load<f32>(b);
    s0 += load<f32>(a + o) * x;
    s1 += load<f32>(a1 + o) * x;
    s2 += load<f32>(a2 + o) * x;
    s3 += load<f32>(a3 + o) * x;
    b += rb;
    o += ca;
  }
  store<f32>(c, s0);
  store<f32>(c + rb, s1);
  store<f32>(c + 2 * rb, s2);
  store<f32>(c + 3 * rb, s3);
}

/** One row by sixteen columns: for single observations. */
function tile1x16(a: usize, ca: usize, b: usize, rb: usize, c: usize, k: i32, start: usize, at: usize): void {
  let s0 = load4(start, at), s1 = load4(start, at + 16), s2 = load4(start, at + 32), s3 = load4(start, at + 48);
  for (let p = 0; p < k; p++) {
    const x = v128.load32_splat(a);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(b)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(b, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(b, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(b, 48)));
    a += ca;
    b += rb;
  }
  v128.store(c, s0);
  v128.store(c, s1, 16);
  v128.store(c, s2, 32);
  v128.store(c, s3, 48);
}

/** One row by four columns. */
function tile1x4(a: usize, ca: usize, b: usize, rb: usize, c: usize, k: i32, start: usize, at: usize): void {
  let s = load4(start, at);
  for (let p = 0; p < k; p++) {
    s = f32x4.add(s, f32x4.mul(v128.load32_splat(a), v128.load(b)));
    a += ca;
    b += rb;
  }
  v128.store(c, s);
}

function tile1x1(a: usize, ca: usize, b: usize, rb: usize, c: usize, k: i32, start: usize, at: usize): void {
  let s = load1(start, at);
  for (let p = 0; p < k; p++) {
    s += load<f32>(a) * load<f32>(b);
    a += ca;
    b += rb;
  }
  store<f32>(c, s);
}

export function gemm(a: usize, ra: usize, ca: usize, b: usize, c: usize, m: i32, n: i32, k: i32, start: usize, rs: usize): void {
  const rb = <usize>n << 2;
  let i = 0;
  for (; i + 4 <= m; i += 4) {
    const ai = a + <usize>i * ra, ci = c + <usize>i * rb;
    let j = 0;
    for (; j + 8 <= n; j += 8) {
      const o = <usize>j << 2;
      tile4x8(ai, ra, ca, b + o, rb, ci + o, k, start, startAt(start, rs, i, j), rs);
    }
    for (; j < n; j++) {
      const o = <usize>j << 2;
      tile4x1(ai, ra, ca, b + o, rb, ci + o, k, start, startAt(start, rs, i, j), rs);
    }
  }
  for (; i < m; i++) {
    const ai = a + <usize>i * ra, ci = c + <usize>i * rb;
    let j = 0;
    for (; j + 16 <= n; j += 16) {
      const o = <usize>j << 2;
      tile1x16(ai, ca, b + o, rb, ci + o, k, start, startAt(start, rs, i, j));
    }
    for (; j + 4 <= n; j += 4) {
      const o = <usize>j << 2;
      tile1x4(ai, ca, b + o, rb, ci + o, k, start, startAt(start, rs, i, j));
    }
    for (; j < n; j++) {
      const o = <usize>j << 2;
      tile1x1(ai, ca, b + o, rb, ci + o, k, start, startAt(start, rs, i, j));
    }
  }
}

/** d[columns, rows] = s[rows, columns] transposed. */
export function transpose(s: usize, d: usize, rows: i32, columns: i32): void {
  for (let i = 0; i < rows; i++) {
    let to = d + (<usize>i << 2);
    for (let j = 0; j < columns; j++) {
      store<f32>(to, load<f32>(s));
      s += 4;
      to += <usize>rows << 2;
    }
  }
}
