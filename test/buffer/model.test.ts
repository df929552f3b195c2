import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import type { FieldsDeclaration } from "../../src/schema/fields.ts";
import { ModelBuffer, type ModelRow } from "./model.ts";
import { type AnyStore, materialise, restoreInto, SaverDouble, saveNow } from "./saver-double.ts";
import { addBoth, declarations, rowsOf, type Step, stack, transitionOf, valuesOf, type WorldName } from "./worlds.ts";

const names = Object.keys(declarations) as WorldName[];

const step: fc.Arbitrary<Step> = fc.record({
  env: fc.constantFrom(0, 1, 2, 40),
  at: fc.nat(60),
  move: fc.constantFrom(1, 1, 1, 1, 0, 2, 9),
  reward: fc.constantFrom(0, 1, -2.5),
  end: fc.constantFrom(null, null, null, "terminated" as const, "truncated" as const),
});

type Op =
  | { readonly kind: "episode"; readonly step: Step; readonly length: number }
  | { readonly kind: "add"; readonly step: Step }
  | { readonly kind: "batch"; readonly steps: readonly Step[]; readonly mask: readonly boolean[] }
  | { readonly kind: "clear" | "snapshot" | "release" }
  | { readonly kind: "restore"; readonly blockBytes: number; readonly shrinkBy: number }
  | { readonly kind: "sample"; readonly n: number; readonly replace: boolean };

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("episode" as const), step, length: fc.integer({ min: 1, max: 25 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), step }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      steps: fc.array(step, { minLength: 1, maxLength: 4 }),
      mask: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("snapshot" as const, "release" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("restore" as const),
      blockBytes: fc.constantFrom(64, 400, 4000),
      shrinkBy: fc.constantFrom(0, 0, 3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("sample" as const),
      n: fc.integer({ min: 1, max: 12 }),
      replace: fc.boolean(),
    }),
  },
);

const setting = fc.record({
  name: fc.constantFrom(...names),
  capacity: fc.integer({ min: 1, max: 40 }),
  blockBytes: fc.constantFrom(1, 64, 300, 4000),
  period: fc.constantFrom(1, 5, 23, 97),
  firstFrame: fc.constantFrom(0, 7, 2 ** 32 - 5),
  prioritized: fc.boolean(),
});

type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

/** A buffer, its model, and a saver that holds snapshots to be read late. */
class Rig {
  readonly fields: FieldsDeclaration;
  readonly period: number;
  readonly #prioritized: boolean;
  store: AnyStore;
  readonly model: ModelBuffer;
  saver: SaverDouble;
  /** Snapshots under way, with the rows that the model had then. */
  held: {
    saver: SaverDouble;
    snapshot: ReturnType<SaverDouble["snapshot"]>;
    rows: ModelRow[];
    leaves: Float64Array | null;
  }[] = [];

  constructor({ name, capacity, blockBytes, period, firstFrame, prioritized }: Setting) {
    this.fields = declarations[name];
    this.period = period;
    this.#prioritized = prioritized;
    this.store = this.#create(capacity, blockBytes, firstFrame);
    this.model = new ModelBuffer(capacity);
    this.saver = new SaverDouble(this.store);
  }

  #create(capacity: number, blockBytes: number, firstFrame = 0): AnyStore {
    return new TransitionStore({
      capacity,
      fields: this.fields,
      seed: 7,
      prioritized: this.#prioritized ? {} : undefined,
      internal: { blockBytes, firstFrame },
    });
  }

  run(op: Op): void {
    switch (op.kind) {
      case "add":
        return addBoth(this.store, this.model, this.fields, op.step, this.period);
      case "episode":
        for (let i = 0; i < op.length; i++) {
          const end = i + 1 === op.length ? op.step.end : null;
          addBoth(this.store, this.model, this.fields, { ...op.step, at: op.step.at + i, move: 1, end }, this.period);
        }
        return;
      case "batch":
        return this.#addBatch(op.steps, op.mask);
      case "clear":
        this.store.clear();
        this.model.clear();
        this.saver = new SaverDouble(this.store);
        return;
      case "snapshot":
        return this.#hold();
      case "release":
        return this.checkHeld();
      case "restore":
        return this.#restore(op.blockBytes, op.shrinkBy);
      case "sample":
        return this.#sample(op.n, op.replace);
    }
  }

  /** Every snapshot under way reads as the buffer was when it was taken, whatever happened since. */
  checkHeld(): void {
    for (const { saver, snapshot, rows, leaves } of this.held) {
      const saved = saver.read(snapshot);
      if (leaves !== null) {
        const { capacity } = saved.description;
        expect(rows.map(({ row }) => saved.leaves?.[row % capacity])).toEqual([...leaves]);
      }
      for (const path of Object.keys(rows[0]?.values ?? {})) {
        expect(materialise(saved, path)).toEqual(rows.map((row) => row.values[path]));
      }
      saver.release(snapshot.number);
    }
    this.held = [];
  }

  check(): void {
    const { from, to } = this.store.rowRange();
    expect([from, to]).toEqual([this.model.added - this.model.rows.length, this.model.added]);
    expect(this.store.size).toBe(this.model.rows.length);
    expect(rowsOf(this.store.readRows(from, to))).toEqual(this.model.rows);
  }

  #hold(): void {
    const { from, to } = this.store.rowRange();
    const leaves = this.store.readLeaves(from, to);
    this.held.push({ saver: this.saver, snapshot: this.saver.snapshot(), rows: [...this.model.rows], leaves });
  }

  #addBatch(steps: readonly Step[], mask: readonly boolean[]): void {
    const rows = steps.map((step) => ({ step, values: valuesOf(this.fields, step, this.period) }));
    const transitions = rows.map(
      ({ step, values }) => transitionOf(this.fields, step, values) as Record<string, unknown>,
    );
    const chosen = mask.slice(0, steps.length);
    this.store.addBatch(stack(this.fields, transitions), { envs: steps.map(({ env }) => env), mask: chosen });
    for (const [i, { step, values }] of rows.entries()) {
      const { env, reward, end } = step;
      if (chosen[i] === true) this.model.add(env, reward, end === "terminated", end === "truncated", values);
    }
  }

  #restore(blockBytes: number, shrinkBy: number): void {
    const saved = saveNow(this.store);
    const capacity = Math.max(1, this.model.capacity - shrinkBy);
    this.store = this.#create(capacity, blockBytes);
    restoreInto(this.store, saved);
    this.model.shrinkTo(capacity);
    this.saver = new SaverDouble(this.store);
  }

  #sample(n: number, replace: boolean): void {
    if (this.model.rows.length < (replace ? 1 : n)) return;
    const batch = this.store.sample(n, { replace }) as Record<string, unknown>;
    const first = this.model.added - this.model.rows.length;
    for (const row of rowsOf(batch)) {
      const { env: _, episodeStart: __, ...expected } = this.model.rows[row.row - first] as ModelRow;
      expect(row).toMatchObject(expected);
    }
    const indices = batch["indices"] as Float64Array;
    if (this.#prioritized)
      this.store.updatePriorities(
        indices,
        indices.map((row) => (row % 7) - 3),
      );
    if (!replace) expect(new Set(batch["indices"] as Float64Array).size).toBe(n);
  }
}

describe("a buffer against a plain array model", () => {
  it("holds, samples, snapshots and restores what the model holds, whatever the order of things", () => {
    fc.assert(
      fc.property(setting, fc.array(op, { minLength: 1, maxLength: 40 }), (chosen, ops) => {
        const rig = new Rig(chosen);
        for (const next of ops) {
          rig.run(next);
          rig.check();
        }
        rig.checkHeld();
      }),
      { numRuns: 250 },
    );
  });
});
