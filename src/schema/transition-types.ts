import type { ArrayOf, DType, TypedArray } from "./dtype.ts";
import type { FieldSpec, FieldsDeclaration } from "./fields.ts";

/** Types of what goes into a buffer and comes out of it, derived from the declaration of its fields. */

type IsAny<T> = 0 extends 1 & T ? true : false;
type Simplify<T> = { [K in keyof T]: T[K] } & {};
type ExtraNames<Fields> = Exclude<keyof Fields, "observation" | "action">;

/** A scalar of a dtype: bigint for the 64-bit integers. */
export type ScalarOf<D extends DType> = D extends "int64" | "uint64" ? bigint : number;

/** The value of a field in one transition: a scalar for shape [], else a flat typed array in row-major order. */
export type ValueOf<F> = F extends FieldSpec
  ? number extends F["shape"]["length"]
    ? ScalarOf<F["dtype"]> | ArrayOf<F["dtype"]>
    : F["shape"] extends readonly []
      ? ScalarOf<F["dtype"]>
      : ArrayOf<F["dtype"]>
  : never;

/** The values of a field in a batch: [n, ...shape], flat. */
export type ColumnOf<F> = F extends FieldSpec ? ArrayOf<F["dtype"]> : never;

type ObservationValue<O> = O extends FieldSpec ? ValueOf<O> : { readonly [K in keyof O]: ValueOf<O[K]> };
type ObservationColumn<O> = O extends FieldSpec ? ColumnOf<O> : { readonly [K in keyof O]: ColumnOf<O[K]> };

/** What `add()` takes. */
export type TransitionOf<Fields extends FieldsDeclaration> =
  IsAny<Fields> extends true
    ? // oxlint-disable-next-line no-explicit-any -- a buffer of any fields
      any
    : Simplify<
        {
          readonly observation: ObservationValue<Fields["observation"]>;
          readonly action: ValueOf<Fields["action"]>;
          readonly reward: number;
          readonly nextObservation: ObservationValue<Fields["observation"]>;
          readonly terminated: boolean;
          readonly truncated: boolean;
        } & { readonly [K in ExtraNames<Fields>]: ValueOf<Fields[K]> }
      >;

/** What `addBatch()` takes: n rows, each field [n, ...shape], flat. */
export type TransitionBatchOf<Fields extends FieldsDeclaration> =
  IsAny<Fields> extends true
    ? // oxlint-disable-next-line no-explicit-any -- a buffer of any fields
      any
    : Simplify<
        {
          readonly observation: ObservationColumn<Fields["observation"]>;
          readonly action: ColumnOf<Fields["action"]>;
          readonly reward: Float32Array | Float64Array | readonly number[];
          readonly nextObservation: ObservationColumn<Fields["observation"]>;
          readonly terminated: Uint8Array | readonly boolean[];
          readonly truncated: Uint8Array | readonly boolean[];
        } & { readonly [K in ExtraNames<Fields>]: ColumnOf<Fields[K]> }
      >;

/** What `sample()` returns: n rows, each field [n, ...shape], flat; ordinary, not shared, typed arrays. */
export type BatchOf<Fields extends FieldsDeclaration> =
  IsAny<Fields> extends true
    ? // oxlint-disable-next-line no-explicit-any -- a buffer of any fields
      any
    : Simplify<
        {
          readonly observation: ObservationColumn<Fields["observation"]>;
          readonly action: ColumnOf<Fields["action"]>;
          readonly reward: Float32Array;
          readonly nextObservation: ObservationColumn<Fields["observation"]>;
          /** [n], 0 or 1. */
          readonly terminated: Uint8Array;
          /** [n], 0 or 1. */
          readonly truncated: Uint8Array;
          /** [n], absolute row numbers, valid across `add()`. */
          readonly indices: Float64Array;
          /** [n], in (0, 1]; prioritised buffers only. */
          readonly weights?: Float32Array;
        } & { readonly [K in ExtraNames<Fields>]: ColumnOf<Fields[K]> }
      >;

/** Rows in order, as `readRows()` returns them: a batch, and where each row came from. */
export type RowsOf<Fields extends FieldsDeclaration> = BatchOf<Fields> & {
  /** [n] */
  readonly env: Uint16Array;
  /** [n], 1 where the row is the first of its episode. */
  readonly episodeStart: Uint8Array;
};

/** A field's value as code that does not know the declaration sees it. */
export type AnyValue = number | bigint | TypedArray;
