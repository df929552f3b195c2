import type { Field, FieldSet } from "../schema/fields.ts";

/** One value of a transition, besides reward and flags. */
export interface ValueSlot {
  readonly field: Field;
  readonly kind: "plain" | "observation";
  /** Whether it is the next observation's. */
  readonly isNext: boolean;
}

/**
 * The flat order in which values are handed on inside the buffer, so that nothing is looked up by name there:
 *
 * ```
 *   action | extra … | observation, next observation of the first field | of the second | …
 * ```
 */
export function valueSlots(fields: FieldSet): readonly ValueSlot[] {
  const plain = [fields.action, ...fields.extras].map((field) => ({ field, kind: "plain", isNext: false }) as const);
  const observed = fields.observations.flatMap((field) =>
    [false, true].map((isNext) => ({ field, kind: "observation", isNext }) as const),
  );
  return [...plain, ...observed];
}
