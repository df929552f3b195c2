import type { Arena, Kernels } from "../kernels/kernels.ts";

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Parameters with what Adam keeps for them; all tensors have `count` elements in the arena. */
export interface Trainable {
  readonly count: number;
  readonly parameters: number;
  /** Adam's moments and the number of steps that they hold. */
  readonly m: number;
  readonly v: number;
  steps: number;
}

/** Takes room for parameters and their moments, all zero. */
export function allocateTrainable({ arena }: Kernels, count: number): Trainable {
  return {
    count,
    parameters: arena.allocate(count),
    m: arena.allocate(count),
    v: arena.allocate(count),
    steps: 0,
  };
}

/** Forgets the moments: what gradients were like at other parameters says little about new ones. */
export function resetMoments(arena: Arena, trainable: Trainable): void {
  arena.view(trainable.m, trainable.count).fill(0);
  arena.view(trainable.v, trainable.count).fill(0);
  trainable.steps = 0;
}

/**
 * Takes one step of Adam along accumulated gradients.
 *
 * Source: Kingma & Ba 2015; decay as in torch.optim.Adam (L2, before the moments).
 */
export function adamStep(
  kernels: Kernels,
  trainable: Trainable,
  gradients: number,
  learningRate: number,
  decay: number,
): void {
  trainable.steps++;
  kernels.adam(trainable.parameters, gradients, trainable.m, trainable.v, trainable.count, {
    step: learningRate / (1 - power(BETA1, trainable.steps)),
    beta1: BETA1,
    beta2: BETA2,
    scale: 1 / Math.sqrt(1 - power(BETA2, trainable.steps)),
    epsilon: EPSILON,
    decay,
  });
}

/** By repeated squaring: Math.pow may differ from engine to engine in the last bit. */
function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
