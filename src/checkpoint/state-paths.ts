import { CorruptError } from "../errors.ts";
import type { DType } from "../schema/dtype.ts";

/** A typed array of the state: where it is in the tree, and the numbers of the stored pieces that it consists of. */
export interface NumberedTensor {
  readonly path: readonly (string | number)[];
  readonly dtype: DType;
  readonly length: number;
  readonly pieces: readonly number[];
}

/** The tree with each `$tensor` as the number of one of `tensors`, in the order of the tree. */
export interface NumberedState {
  readonly state: unknown;
  readonly tensors: readonly NumberedTensor[];
}

/**
 * Finds the typed arrays of a state tree as it is stored (see state-tree.ts).
 *
 * @param stored - the tensors of the manifest
 * @throws CorruptError where a tensor consists of pieces that do not belong together
 */
export function numberTensors(
  state: unknown,
  stored: readonly { readonly dtype: DType; readonly length: number }[],
  manifest: string,
): NumberedState {
  const tensors: NumberedTensor[] = [];

  function add(reference: unknown, path: readonly (string | number)[]): number {
    const pieces = (Array.isArray(reference) ? reference : [reference]) as number[];
    // That each index leads somewhere was checked with the manifest.
    const all = pieces.map((index) => stored[index] as { readonly dtype: DType; readonly length: number });
    const dtype = all[0]?.dtype;
    if (dtype === undefined || all.some((piece) => piece.dtype !== dtype)) {
      throw new CorruptError(manifest, `state ${path.join(".")} consists of pieces of different types`);
    }
    const length = all.reduce((sum, piece) => sum + piece.length, 0);
    return tensors.push({ path, dtype, length, pieces }) - 1;
  }

  function walk(value: unknown, path: readonly (string | number)[]): unknown {
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    if (Object.hasOwn(value, "$tensor")) {
      return { $tensor: add((value as { readonly $tensor: unknown }).$tensor, path) };
    }
    return Object.fromEntries(
      // A key of the user's own that begins with `$` is stored with one more.
      Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key.replace(/^\$\$/, "$")])]),
    );
  }

  return { state: walk(state, []), tensors };
}
