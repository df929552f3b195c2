/**
 * One step of Adam over n parameters (Kingma & Ba 2015, as torch.optim.Adam computes it, L2 decay included).
 * step = learning rate / (1 - beta1^t); scale = 1 / sqrt(1 - beta2^t); keep = 1 - beta.
 */
export function adam(
  p: usize, g: usize, m: usize, v: usize, n: i32,
  step: f32, beta1: f32, keep1: f32, beta2: f32, keep2: f32, scale: f32, epsilon: f32, decay: f32,
): void {
  const vStep = f32x4.splat(step), vBeta1 = f32x4.splat(beta1), vKeep1 = f32x4.splat(keep1);
  const vBeta2 = f32x4.splat(beta2), vKeep2 = f32x4.splat(keep2);
  const vScale = f32x4.splat(scale), vEpsilon = f32x4.splat(epsilon), vDecay = f32x4.splat(decay);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const parameter = v128.load(p + o);
    const gradient = f32x4.add(v128.load(g + o), f32x4.mul(vDecay, parameter));
    const mean = f32x4.add(f32x4.mul(vBeta1, v128.load(m + o)), f32x4.mul(vKeep1, gradient));
    const square = f32x4.add(f32x4.mul(vBeta2, v128.load(v + o)), f32x4.mul(vKeep2, f32x4.mul(gradient, gradient)));
    v128.store(m + o, mean);
    v128.store(v + o, square);
    const root = f32x4.add(f32x4.mul(f32x4.sqrt(square), vScale), vEpsilon);
    v128.store(p + o, f32x4.sub(parameter, f32x4.div(f32x4.mul(vStep, mean), root)));
  }
  for (; i < n; i++) {
    const o = <usize>i << 2;
    const parameter = load<f32>(p + o);
    const gradient = load<f32>(g + o) + decay * parameter;
    const mean = beta1 * load<f32>(m + o) + keep1 * gradient;
    const square = beta2 * load<f32>(v + o) + keep2 * (gradient * gradient);
    store<f32>(m + o, mean);
    store<f32>(v + o, square);
    store<f32>(p + o, parameter - (step * mean) / (sqrt<f32>(square) * scale + epsilon));
  }
}

/** t = t + tau * (s - t) */
export function polyak(t: usize, s: usize, n: i32, tau: f32): void {
  const vTau = f32x4.splat(tau);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const o = <usize>i << 2;
    const value = v128.load(t + o);
    v128.store(t + o, f32x4.add(value, f32x4.mul(vTau, f32x4.sub(v128.load(s + o), value))));
  }
  for (; i < n; i++) {
    const o = <usize>i << 2;
    const value = load<f32>(t + o);
    store<f32>(t + o, value + tau * (load<f32>(s + o) - value));
  }
}
